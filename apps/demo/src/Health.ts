/** Whether everything that a question needs can be read. */
import { MemoryVault } from "@sennit/memory-vault"
import type { MemoryScope } from "@sennit/memory-vault"
import { SessionService } from "@sennit/secure-sessions"
import { Store } from "@sennit/store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { HealthReport } from "./Api.ts"
import { Identity } from "./Identity.ts"

export class Health extends Context.Tag("@sennit/demo/Health")<Health, {
  readonly report: Effect.Effect<HealthReport>
}>() {}

const check = <A>(name: string, works: Effect.Effect<A, { readonly message: string }>) =>
  Effect.match(works, {
    onFailure: ({ message }) => ({ name, ok: false, detail: message }),
    onSuccess: () => ({ name, ok: true, detail: "can be read" })
  })

const make = Effect.fnUntraced(function*(scope: MemoryScope.MemoryScope) {
  const sessions = yield* SessionService.SessionService
  const { owner } = yield* Identity
  const memory = (yield* MemoryVault.MemoryVault).scoped(scope)
  const files = yield* Store.Store
  return Health.of({
    report: Effect.map(
      Effect.all([
        // One conversation is opened: that needs the key.
        check(
          "conversations",
          Stream.flatMap(Stream.fromEffect(owner), sessions.list).pipe(
            Stream.mapEffect(({ ref }) => sessions.get(ref, { recent: 1 })),
            Stream.runHead
          )
        ),
        check("memory", memory.stats),
        check("files", Stream.runHead(files.list("")))
      ]),
      (checks) => new HealthReport({ status: checks.every(({ ok }) => ok) ? "ok" : "failing", checks })
    )
  })
})

export const layer = (scope: MemoryScope.MemoryScope) => Layer.effect(Health, make(scope))
