/** The people of this folder: each has services of their own, which are made when they first come. */
import type { Headers } from "@effect/platform/Headers"
import { Memory } from "@sennit/agent"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Accounts } from "./Accounts.ts"
import type { NotSignedIn, StorageFailed } from "./ApiError.ts"
import { Conversations } from "./Conversations.ts"
import { EventHub } from "./EventHub.ts"
import { Health } from "./Health.ts"
import { Notes } from "./Notes.ts"
import { OnDisk } from "./OnDisk.ts"
import type { Person } from "./Person.ts"
import { Privacy } from "./Privacy.ts"

/** Everything of one person. */
export type Own = Conversations | EventHub | Health | Memory.Memory | Notes | OnDisk | Privacy

export class People extends Context.Tag("@sennit/demo/People")<People, {
  readonly get: (name: string) => Effect.Effect<Context.Tag.Service<Person>, StorageFailed>
  /** Whoever sent a request with these headers. */
  readonly of: (headers: Headers) => Effect.Effect<Context.Tag.Service<Person>, NotSignedIn | StorageFailed>
}>() {}

const personOf = (name: string, own: Context.Context<Own>): Context.Tag.Service<Person> => ({
  name,
  conversations: Context.get(own, Conversations),
  notes: Context.get(own, Notes),
  privacy: Context.get(own, Privacy),
  onDisk: Context.get(own, OnDisk),
  health: Context.get(own, Health),
  events: Context.get(own, EventHub),
  memory: Context.get(own, Memory.Memory)
})

/** `layerOf` makes what is a person's own; all of it ends with this layer. */
export const layer = <R>(layerOf: (name: string) => Layer.Layer<Own, StorageFailed, R>) =>
  Layer.scoped(
    People,
    Effect.gen(function*() {
      const context = yield* Effect.context<R>()
      const scope = yield* Scope.make()
      yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
      const accounts = yield* Accounts
      const known = new Map<string, Context.Tag.Service<Person>>()
      const turn = yield* Effect.makeSemaphore(1)
      const get = (name: string) =>
        turn.withPermits(1)(Effect.gen(function*() {
          const found = known.get(name)
          if (found !== undefined) return found
          const own = yield* Layer.buildWithScope(layerOf(name), scope).pipe(Effect.provide(context))
          const person = personOf(name, own)
          known.set(name, person)
          return person
        }))
      return People.of({ get, of: (headers) => Effect.flatMap(accounts.nameOf(headers), get) })
    })
  )
