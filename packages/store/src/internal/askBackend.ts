// @effect-diagnostics nodeBuiltinImport:off the threads are those of node:worker_threads
/** How a synchronous backend is asked: on this thread, or on one of several workers. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SyncDefinition } from "../Backend.ts"
import type { Capability } from "../Capability.ts"
import type { Condition, Failure } from "../Driver.ts"
import { answerBackend } from "./answerBackend.ts"
import { pack } from "./carryValues.ts"
import { explain } from "./explainFailure.ts"
import type { Answers, Ask, BackendStart, FromBackend, ToBackend, Understood } from "./modelBackend.ts"
import { startWorker } from "./startWorker.ts"
import type { Started } from "./startWorker.ts"
import { makeTurns } from "./takeTurns.ts"

/** @internal Cannot be interrupted: a synchronous call goes on to its end, and what it opened has to be known. */
export type Asking = <A extends Ask>(ask: A) => Effect.Effect<Answers[A["op"]], Failure>

/** @internal */
export interface Asked {
  /** Someone who answers, for all that belongs to one opening. */
  readonly choose: () => Asking
  /** Whether it is worth asking for the next before it is wanted. */
  readonly isElsewhere: boolean
}

const understood = ({ condition, key, message }: Understood): Failure => explain(condition, message, key)

const failed = (reason: "Io" | "Misconfigured", message: string): Failure => {
  const condition: Condition = { _tag: "Unavailable", reason, retryable: false }
  return explain(condition, message)
}

/** An answer is what `Answers` says of the question: both sides are of this package. */
function answered<A extends Ask>(answer: Effect.Effect<unknown, Failure>): Effect.Effect<Answers[A["op"]], Failure>
function answered(answer: Effect.Effect<unknown, Failure>): Effect.Effect<unknown, Failure> {
  return answer
}

/** As between threads: what one side keeps the other cannot change. */
const copied = <A>(value: A): A => structuredClone(value)

/** @internal */
export const openInline = <C extends Capability, A, I>(
  { name, open }: SyncDefinition<C, A, I>,
  options: A,
  yieldEvery: number
): Effect.Effect<Asked, Failure, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.try({
        try: () => answerBackend(open(options)),
        catch: (error) => failed("Misconfigured", `${name} did not open: ${String(error)}`)
      }),
      ({ end }) => Effect.sync(end)
    ),
    ({ answer, understand }) => {
      const turn = makeTurns(yieldEvery)
      const asking = <Q extends Ask>(ask: Q) =>
        answered<Q>(
          Effect.zipRight(
            turn,
            Effect.try({ try: () => copied(answer(copied(ask))), catch: (error) => understood(understand(error)) })
          )
        )
      return { choose: () => asking, isElsewhere: false }
    }
  )

/** @internal */
export const openWorkers = <C extends Capability, A, I>(
  { module, options: schema }: SyncDefinition<C, A, I>,
  options: A,
  count: number
): Effect.Effect<Asked, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const encoded = yield* Effect.mapError(
      Schema.encode(schema)(options),
      () => failed("Misconfigured", "the options are not what their schema says")
    )
    const workers = yield* Effect.forEach(
      Array.from({ length: Math.max(1, count) }),
      () => Effect.acquireRelease(openWorker({ module, options: encoded }), ({ end }) => end),
      { concurrency: "unbounded" }
    )
    yield* Effect.forEach(workers, ({ opened }) => opened, { discard: true })
    return {
      choose: () => workers.reduce((least, one) => one.load() < least.load() ? one : least).ask,
      isElsewhere: true
    }
  })

/** A worker, and who waits for it. What it was asked when it ends is answered with that. */
const openWorker = (start: BackendStart) =>
  Effect.gen(function*() {
    const opened = yield* Deferred.make<void, Failure>()
    const ended = yield* Deferred.make<void>()
    const waiting = new Map<number, (answer: Effect.Effect<unknown, Failure>) => void>()
    const { port, worker }: Started = yield* Effect.try({
      try: () => startWorker("serveBackend", pack(start), [start.module]),
      catch: (error) => failed("Misconfigured", `the options cannot be sent to the worker: ${String(error)}`)
    })
    let lost: Failure | undefined
    const lose = (failure: Failure): void => {
      lost ??= failure
      Deferred.unsafeDone(opened, Effect.fail(lost))
      Deferred.unsafeDone(ended, Effect.void)
      for (const resume of waiting.values()) resume(Effect.fail(lost))
      waiting.clear()
    }
    const settle = (id: number, answer: Effect.Effect<unknown, Failure>): void => {
      const resume = waiting.get(id)
      waiting.delete(id)
      if (waiting.size === 0) port.unref()
      resume?.(answer)
    }
    port.on("message", (message: FromBackend) => {
      switch (message.type) {
        case "answer":
          return settle(message.id, Effect.succeed(message.value))
        case "failed":
          return settle(message.id, Effect.fail(understood(message.error)))
        case "opened":
          return Deferred.unsafeDone(opened, Effect.void)
        case "unstarted":
          return lose(failed("Misconfigured", `the worker did not start: ${message.reason}`))
        case "ended":
          return Deferred.unsafeDone(ended, Effect.void)
      }
    })
    worker.on("error", (error) => lose(failed("Io", `the worker failed: ${String(error)}`)))
    worker.on("exit", () => lose(failed("Io", "the worker has ended")))
    const post = (message: ToBackend) => port.postMessage(message, [])
    let last = 0
    const ask = <Q extends Ask>(asked: Q) =>
      answered<Q>(Effect.uninterruptible(Effect.async<unknown, Failure>((resume) => {
        if (lost !== undefined) return resume(Effect.fail(lost))
        const id = ++last
        waiting.set(id, resume)
        port.ref()
        post({ type: "ask", id, ask: asked })
      })))
    const end = Effect.zipRight(
      Effect.suspend(() => {
        if (lost !== undefined) return Effect.void
        port.ref()
        post({ type: "end" })
        return Deferred.await(ended)
      }),
      Effect.promise(() => worker.terminate())
    )
    return { ask, end, opened: Deferred.await(opened), load: () => waiting.size }
  })
