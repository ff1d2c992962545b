/**
 * What can be put around a store, whatever its backend: each takes a store and answers one that offers the same (and
 * `readOnly` less). The last one applied is outermost.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Capability } from "./Capability.ts"
import * as Driver from "./Driver.ts"
import type { Call, Interceptor } from "./Interceptor.ts"
import { aroundDriver } from "./internal/aroundDriver.ts"
import type { Request } from "./internal/aroundDriver.ts"
import { keepAnswers } from "./internal/keepAnswers.ts"
import { retryDriver } from "./internal/retryDriver.ts"
import { verifyDriver } from "./internal/verifyDriver.ts"
import { gatesOf, operations } from "./Operations.ts"
import type { Needs, Operation, OperationSpec } from "./Operations.ts"
import { driverOf, overDriver } from "./Store.ts"
import type { StoreOf } from "./Store.ts"
import { TimedOut } from "./StoreError.ts"

/**
 * What turns a store into another that offers the same.
 *
 * @since 0.1.0
 * @category models
 */
export type StoreLayer = <C extends Capability>(store: StoreOf<C>) => StoreOf<C>

/**
 * @since 0.1.0
 * @category options
 */
export interface RetryOptions {
  /** When to try again and how often. Default: four more times, after 50 ms and then twice as long each, with jitter. */
  readonly schedule?: Schedule.Schedule<unknown, unknown>
}

const patience = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(4)))

/**
 * Tries again what the backend says may succeed, request by request: a page of a listing, the rest of a stream that
 * broke off (of the same version), a write.
 *
 * - What changes something is sent again only when it may happen twice, or when nothing has happened.
 * - After the lost answer of a conditional write of bytes the object tells whose it is, by a number in its metadata
 *   where the store keeps metadata. Where that cannot be told the write fails with `AmbiguousWrite`.
 * - A body that is a stream is sent once.
 *
 * @example
 * ```ts
 * import { Layers, Memory } from "@sennit/store"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = (yield* Memory.make()).pipe(Layers.retry(), Layers.timeout("10 seconds"))
 *   yield* store.write("a", "x")
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const retry = (options: RetryOptions = {}): StoreLayer => (store) =>
  overDriver(store, (driver) => retryDriver(driver, options.schedule ?? patience))

/**
 * Gives up an operation after a time, with `TimedOut`. Of a stream it is the time for each next element, of a writer
 * that of its opening.
 *
 * @since 0.1.0
 * @category layers
 */
export const timeout = (duration: Duration.DurationInput): StoreLayer => {
  const error = ({ backend, operation, path, spec }: Call) => () =>
    new TimedOut({
      path,
      backend,
      operation,
      timeout: Duration.toMillis(duration),
      applied: spec.changes === "nothing" ? "no" : "unknown"
    })
  return intercept({
    effect: (call, next) => Effect.timeoutFail(next, { duration, onTimeout: error(call) }),
    stream: (call, next) => Stream.timeoutFail(next, error(call), duration)
  })
}

/**
 * Lets only so many operations run at once; the others wait in the order of their coming. A stream counts until it
 * ends: a write whose body is read from the same store takes two.
 *
 * @since 0.1.0
 * @category layers
 */
export const limit = (concurrency: number): StoreLayer => {
  const permits = Effect.unsafeMakeSemaphore(concurrency)
  const permit = Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(restore(permits.take(1)), Effect.addFinalizer(() => permits.release(1)))
  )
  return intercept({
    effect: (_, next) => permits.withPermits(1)(next),
    stream: (_, next) => Stream.unwrapScoped(Effect.as(permit, next))
  })
}

/**
 * @since 0.1.0
 * @category options
 */
export interface CacheOptions {
  /** How long an answer may be given again without asking. What others change meanwhile is not seen. */
  readonly timeToLive: Duration.DurationInput
  /** Of how many objects answers are kept; the least recently used go first. Default 1000. */
  readonly capacity?: number
  /** Bytes and texts that are larger are not kept. Default 1 MiB. */
  readonly maxBytes?: number
  /**
   * When its time is over, keep an answer whose object still has the same etag. That costs a `stat` when it is fetched
   * and one after each `timeToLive`, instead of the bytes. Default false.
   */
  readonly revalidate?: boolean
}

/**
 * Keeps the answers of the operations that are `cacheable` in the table, and drops those that an operation on this
 * store changes. Many who ask at once ask the backend once. Failures are not kept.
 *
 * @since 0.1.0
 * @category layers
 */
export const cache = (options: CacheOptions): StoreLayer => <C extends Capability>(store: StoreOf<C>) => {
  const settings = {
    timeToLive: Duration.toMillis(options.timeToLive),
    capacity: options.capacity ?? 1000,
    maxBytes: options.maxBytes ?? 1024 * 1024,
    revalidate: options.revalidate ?? false
  }
  const unknown = Effect.fail(Driver.refuse({ _tag: "NotFound" }))
  const answers = keepAnswers(settings, (key) => driverOf(store)?.stat(key) ?? unknown)
  const kept = store.intercept({
    effect: (call, next) => {
      if (call.spec.changes !== "nothing") return answers.change(call, next)
      return call.spec.cacheable ? answers.recall(call, next) : next
    }
  })
  // What a sink or a writer puts, it puts after its call has been answered.
  return overDriver(
    kept,
    (driver) =>
      aroundDriver(driver, ({ key, primitive }, effect) =>
        primitive === "put"
          ? Effect.ensuring(
            effect,
            Effect.sync(() => answers.forget(key))
          )
          : effect)
  )
}

/**
 * Keeps a SHA-256 digest in the metadata of every object that is written as bytes or text, and holds whole objects
 * against theirs when they are read: `IntegrityMismatch`. Each such read begins with a `stat`. What is written as a
 * stream has no digest, and is not checked.
 *
 * @since 0.1.0
 * @category layers
 */
export const verify = <C extends Capability>(store: StoreOf<C | "metadata">): StoreOf<C | "metadata"> =>
  overDriver(store, verifyDriver)

/**
 * What `observe` calls.
 *
 * @since 0.1.0
 * @category options
 */
export interface Hooks {
  readonly onStart?: (call: Call) => Effect.Effect<void>
  /** At the end of an effect, an opening or a stream. */
  readonly onEnd?: (
    call: Call,
    outcome: { readonly exit: Exit.Exit<unknown, unknown>; readonly duration: Duration.Duration }
  ) => Effect.Effect<void>
}

/**
 * Calls hooks around every operation that the store offers: audit trails, logs, metrics of one's own.
 *
 * @since 0.1.0
 * @category layers
 */
export const observe = (hooks: Hooks): StoreLayer => {
  const start = (call: Call) => Effect.zipRight(hooks.onStart?.(call) ?? Effect.void, Clock.currentTimeMillis)
  const end = (call: Call, started: number) => (exit: Exit.Exit<unknown, unknown>) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => hooks.onEnd?.(call, { exit, duration: Duration.millis(now - started) }) ?? Effect.void
    )
  return intercept({
    effect: (call, next) => Effect.flatMap(start(call), (started) => Effect.onExit(next, end(call, started))),
    stream: (call, next) =>
      Stream.unwrap(Effect.map(start(call), (started) => Stream.ensuringWith(next, end(call, started))))
  })
}

type Reading = {
  readonly [K in Operation]: (typeof operations)[K]["changes"] extends "nothing" ? K : never
}[Operation]

/**
 * The capabilities of the operations that change nothing, as the table says.
 *
 * @since 0.1.0
 * @category models
 */
export type ReadCapability =
  | Needs<Reading>
  | { readonly [K in Reading]: (typeof operations)[K]["gates"][keyof (typeof operations)[K]["gates"]] }[Reading]

const reading: ReadonlySet<Capability> = new Set(
  Object.values<OperationSpec>(operations).flatMap((spec) =>
    spec.changes === "nothing" ? spec.needs.concat(gatesOf(spec)) : []
  )
)

const isReading = <C extends Capability>(capability: C): capability is Extract<C, ReadCapability> =>
  reading.has(capability)

/**
 * The store without everything that could change something, in its type and at run time. There is no way back.
 *
 * @since 0.1.0
 * @category layers
 */
export const readOnly = <C extends Capability>(store: StoreOf<C>): StoreOf<Extract<C, ReadCapability>> =>
  store.only(...declared(store).filter(isReading))

/** At run time there may be more than in the type; `only` and `isReading` keep what is in both. */
function declared<C extends Capability>(store: StoreOf<C>): ReadonlyArray<C>
function declared(store: StoreOf<never>): ReadonlyArray<Capability> {
  return [...store.capabilities]
}

/**
 * A request to the backend as `fault` sees it.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultyRequest extends Request {
  /** The how manieth request of this primitive it is, from 1. */
  readonly nth: number
}

/**
 * What is to go wrong: before the request is made, or after it was carried out, so that its answer is lost.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fault {
  readonly when: "before" | "after"
  readonly condition: Driver.Condition
}

/**
 * Lets requests to the backend go wrong, below retries and other layers that are applied later.
 *
 * @example
 * ```ts
 * import { Layers, Memory } from "@sennit/store"
 * import { Effect } from "effect"
 *
 * const lost = { _tag: "Unavailable", reason: "Network", retryable: true, applied: "unknown" } as const
 *
 * // The answer to the first write does not come; the write is found to have happened.
 * const program = Effect.gen(function*() {
 *   const store = (yield* Memory.make()).pipe(
 *     Layers.fault(({ nth, primitive }) =>
 *       primitive === "put" && nth === 1 ? { when: "after", condition: lost } : undefined
 *     ),
 *     Layers.retry()
 *   )
 *   yield* store.write("a", "x")
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const fault = (decide: (request: FaultyRequest) => Fault | undefined): StoreLayer => (store) => {
  const counts = new Map<string, number>()
  return overDriver(store, (driver) =>
    aroundDriver(driver, (request, effect) =>
      Effect.suspend(() => {
        const nth = (counts.get(request.primitive) ?? 0) + 1
        counts.set(request.primitive, nth)
        const decision = decide({ ...request, nth })
        if (decision === undefined) return effect
        const failure = Effect.fail(Driver.refuse(decision.condition))
        return decision.when === "before" ? failure : Effect.zipRight(effect, failure)
      })))
}

/**
 * A layer of one's own: a hook around every operation.
 *
 * @since 0.1.0
 * @category layers
 */
export const intercept = (interceptor: Interceptor): StoreLayer => (store) => store.intercept(interceptor)
