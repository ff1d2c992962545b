// @effect-diagnostics nodeBuiltinImport:off the threads are those of node:worker_threads
/** The worker that has a store: it answers the calls of the thread that started it. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Threads from "node:worker_threads"
import { operations } from "../Operations.ts"
import type { StoreOf } from "../Store.ts"
import type { Settings } from "../StoreConfig.ts"
import { SyncError } from "../StoreError.ts"
import type { StoreError } from "../StoreError.ts"
import { pack, unpack } from "./carryValues.ts"
import type { Description, FromWorker, Request, ToWorker } from "./modelCalls.ts"
import { openSettings } from "./openSettings.ts"
import { makeServer, SourceBroken } from "./serveOperations.ts"
import { lookOut, tell } from "./startWorker.ts"
import type { WorkerStart } from "./startWorker.ts"

/** So many folders of the store are kept as stores of their own; they can be made again at any time. */
const maxChildren = 64

/** Both threads run this package, so what one packs is what the other expects. */
const isSettings = (value: unknown): value is Settings =>
  typeof value === "object" && value !== null && "driver" in value

const makeChildren = (store: StoreOf<never>) => {
  const made = new Map<string, StoreOf<never>>([["", store]])
  return (child: string): Effect.Effect<object, StoreError> =>
    Effect.suspend(() => {
      const known = made.get(child)
      if (known !== undefined) return Effect.succeed(known)
      if (made.size > maxChildren) made.clear()
      return Effect.tap(store.child(child), (one) => Effect.sync(() => made.set(child, one)))
    })
}

const makePulls = (say: (message: FromWorker) => void) => {
  const waiting = new Map<number, (piece: Effect.Effect<ReadonlyArray<unknown> | undefined, SourceBroken>) => void>()
  return {
    give: (id: number, piece: Effect.Effect<ReadonlyArray<unknown> | undefined, SourceBroken>) => {
      const resume = waiting.get(id)
      waiting.delete(id)
      resume?.(piece)
    },
    pull: (id: number) =>
      Effect.async<ReadonlyArray<unknown> | undefined, SourceBroken>((resume) => {
        waiting.set(id, resume)
        say({ type: "pull", id })
        return Effect.sync(() => waiting.delete(id))
      })
  }
}

const failureOf = (cause: Cause.Cause<StoreError | SyncError | SourceBroken>): unknown =>
  Option.match(Cause.failureOption(cause), {
    onNone: () =>
      pack(
        new SyncError({ reason: "Worker", detail: "the call died in the worker", cause: Cause.squash(cause) })
      ),
    onSome: (failure) =>
      failure instanceof SourceBroken
        ? pack(new SyncError({ reason: "Worker", detail: "the iterable of the body threw" }))
        : pack(failure)
  })

/** @internal Opens the store, and answers until it is told to shut down. */
export const serve = (start: WorkerStart): void => {
  const say = (message: FromWorker) => tell(start, message)
  const pulls = makePulls(say)
  const settings = unpack(start.data)
  const scope = Effect.runSync(Scope.make())
  const opened = Effect.runSync(Effect.cached(
    isSettings(settings)
      ? openSettings(settings).pipe(Scope.extend(scope), Effect.provide(FetchHttpClient.layer))
      : Effect.dieMessage("the settings of the store did not arrive")
  ))
  const described = Effect.map(opened, ({ capabilities, name, quality }): Description => ({
    name,
    capabilities: [...capabilities],
    quality
  }))
  const served = Effect.runSync(Effect.cached(
    Effect.map(opened, (store) => makeServer({ table: operations, storeAt: makeChildren(store), pull: pulls.pull }))
  ))
  const shutdown = Effect.zipRight(
    Effect.flatMap(served, ({ closeAll }) => closeAll),
    Scope.close(scope, Exit.void)
  )
  const perform = (id: number, request: Request): Effect.Effect<unknown, StoreError | SyncError | SourceBroken> => {
    if (request.op === "describe") return described
    return request.op === "shutdown" ? shutdown : Effect.flatMap(served, (server) => server.perform(id, request))
  }
  let pending = 0
  const isIdle = () => pending === 0
  const take = (message: ToWorker): void => {
    switch (message.type) {
      case "request": {
        const { id, request } = message
        pending++
        Effect.runFork(perform(id, request)).addObserver((exit) => {
          pending--
          say(
            Exit.isSuccess(exit)
              ? { type: "done", id, value: exit.value }
              : { type: "failed", id, error: failureOf(exit.cause) }
          )
          if (request.op === "shutdown") start.port.close()
        })
        break
      }
      case "piece":
        return pulls.give(message.id, Effect.succeed(message.elements))
      case "broken":
        return pulls.give(message.id, Effect.fail(new SourceBroken()))
      case "ping":
        return say({ type: "pong" })
    }
  }
  start.port.on("message", (message: ToWorker) => {
    let seen = Atomics.load(start.signal, 1)
    take(message)
    // Where nothing is under way there is nothing that the event loop should be given back for at once.
    while (isIdle() && lookOut(start.signal, 1, seen, 0.015)) {
      seen = Atomics.load(start.signal, 1)
      const next: { readonly message: ToWorker } | undefined = Threads.receiveMessageOnPort(start.port)
      if (next === undefined) break
      take(next.message)
    }
  })
}
