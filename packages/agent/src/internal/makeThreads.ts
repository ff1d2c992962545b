// @effect-diagnostics nodeBuiltinImport:off -- the threads are those of node:worker_threads
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Scope } from "effect/Scope"
import type { Worker } from "node:worker_threads"
import type { Answer } from "./startThread.ts"
import { startThread } from "./startThread.ts"

/**
 * @internal
 * - `failed`: the work itself failed; `name` and `message` are those of its error
 * - `missing`: a package that it needs is not installed
 * - `timeout`, `memory`: it was stopped at a limit
 * - `crashed`: the thread ended without an answer
 */
export class ThreadFailure extends Data.TaggedError("ThreadFailure")<{
  readonly reason: "failed" | "missing" | "timeout" | "memory" | "crashed"
  readonly name: string
  readonly message: string
}> {}

/** @internal */
export interface ThreadOptions {
  /** The address of a module that exports `run`. */
  readonly module: string
  /** How many threads at most; further jobs wait. */
  readonly size: number
  readonly heapMegabytes: number
  /** How long one job may take, the start of its thread included. */
  readonly timeout: Duration.DurationInput
}

/** @internal Runs jobs elsewhere. An interrupted or failed job ends its thread, whatever it was doing. */
export interface Threads<Job, Result> {
  readonly run: (job: Job, transfer?: ReadonlyArray<ArrayBuffer>) => Effect.Effect<Result, ThreadFailure>
}

/** @internal Threads that start when they are needed, wait for more work, and end with the scope. */
export const makeThreads = <Job, Result>(
  options: ThreadOptions
): Effect.Effect<Threads<Job, Result>, never, Scope> =>
  Effect.gen(function*() {
    const permits = yield* Effect.makeSemaphore(options.size)
    const idle = new Set<Worker>()
    let closed = false
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        closed = true
        return Effect.forEach(idle, end, { discard: true })
      })
    )

    const take = Effect.sync(() => {
      const [waiting] = idle
      if (waiting === undefined) {
        const worker = startThread(options.module, options.heapMegabytes)
        return worker.once("exit", () => idle.delete(worker))
      }
      idle.delete(waiting)
      waiting.ref()
      return waiting
    })
    const giveBack = (worker: Worker, exit: Exit.Exit<Result, ThreadFailure>) =>
      Exit.isFailure(exit) || closed
        ? end(worker)
        : Effect.sync(() => {
          worker.unref()
          idle.add(worker)
        })
    const timeoutFail = Effect.timeoutFail({
      duration: options.timeout,
      onTimeout: () => new ThreadFailure({ reason: "timeout", name: "Timeout", message: "It took too long." })
    })
    return {
      run: (job, transfer = []) =>
        permits.withPermits(1)(
          Effect.acquireUseRelease(
            take,
            (worker) => timeoutFail(ask<Job, Result>(worker, job, transfer)),
            giveBack
          )
        )
    }
  })

const end = (worker: Worker): Effect.Effect<void> => Effect.promise(() => worker.terminate())

const ask = <Job, Result>(
  worker: Worker,
  job: Job,
  transfer: ReadonlyArray<ArrayBuffer>
): Effect.Effect<Result, ThreadFailure> =>
  Effect.async((resume) => {
    const onMessage = (answer: Answer<Result>) =>
      resume("done" in answer ? Effect.succeed(answer.done) : Effect.fail(toFailure(answer.failed)))
    const onError = (error: Error & { readonly code?: string }) =>
      resume(Effect.fail(toFailure({ name: error.name, message: error.message, code: String(error.code) })))
    const onExit = () =>
      resume(Effect.fail(new ThreadFailure({ reason: "crashed", name: "Exit", message: "The thread ended." })))
    worker.on("message", onMessage).on("error", onError).on("exit", onExit)
    worker.postMessage(job, [...transfer])
    return Effect.sync(() => worker.off("message", onMessage).off("error", onError).off("exit", onExit))
  })

const toFailure = (
  { code, message, name }: { readonly name: string; readonly message: string; readonly code: string }
) =>
  new ThreadFailure({
    reason: code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND"
      ? "missing"
      : code === "ERR_WORKER_OUT_OF_MEMORY" || /^Array buffer allocation failed$|^A buffer of/.test(message)
      ? "memory"
      : "failed",
    name,
    message
  })
