/** A driver that tries again what may be tried again, and no effect twice. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import type { Key } from "../StorePath.ts"
import { aroundDriver } from "./aroundDriver.ts"
import { conditionOf } from "./kernel.ts"

type Attempts = Schedule.Schedule<unknown, unknown>

/** In the metadata of a conditionally written object: by it a writer knows its own object again. */
const attemptName = "sennit-attempt"

/** What happened when an attempt failed. */
type Outcome = "final" | "nothing" | "unknown"

/** @internal */
export const retryDriver = (driver: Driver.Driver, attempts: Attempts): Driver.Driver => {
  const outcomeOf = (error: unknown): Outcome => {
    if (!(error instanceof Driver.Failure)) return "final"
    const condition = conditionOf(driver, error)
    if (condition._tag !== "Unavailable" || !condition.retryable) return "final"
    return condition.applied === "unknown" ? "unknown" : "nothing"
  }
  const again = <A, X, R>(effect: Effect.Effect<A, X, R>) =>
    Effect.retry(effect, { schedule: attempts, while: (error) => outcomeOf(error) !== "final" })
  const untilSent = <A, X, R>(effect: Effect.Effect<A, X, R>) =>
    Effect.retry(effect, { schedule: attempts, while: (error) => outcomeOf(error) === "nothing" })
  const orAmbiguous = <A, X, R>(effect: Effect.Effect<A, X, R>, key: Key): Effect.Effect<A, X | Driver.Failure, R> =>
    Effect.catchAll(effect, (error) => Effect.fail(outcomeOf(error) === "unknown" ? ambiguous(key) : error))
  const retry: Retry = { driver, again, untilSent, orAmbiguous, isUnknown: (error) => outcomeOf(error) === "unknown" }
  const idempotent = aroundDriver(
    driver,
    (request, effect) => request.primitive === "pull" || request.primitive === "put" ? effect : again(effect)
  )
  const { copy, delete: remove, move, put } = driver
  return {
    ...idempotent,
    stat: (key) => Effect.map(again(driver.stat(key)), withoutAttempt),
    get: (key, options) => resume(retry, key, options),
    ...(put === undefined ? {} : { put: retryPut(retry, put) }),
    ...(remove === undefined ? {} : { delete: retryDelete(retry, remove) }),
    ...(move === undefined
      ? {}
      : { move: (from, to, mode) => orAmbiguous(untilSent(move(from, to, mode)), to) }),
    ...(copy === undefined ? {} : {
      copy: (from, to, mode) =>
        mode === "overwrite" ? again(copy(from, to, mode)) : orAmbiguous(untilSent(copy(from, to, mode)), to)
    })
  }
}

interface Retry {
  readonly driver: Driver.Driver
  /** For what may happen twice. */
  readonly again: <A, X, R>(effect: Effect.Effect<A, X, R>) => Effect.Effect<A, X, R>
  /** For what may happen once: tried again only while nothing has happened. */
  readonly untilSent: <A, X, R>(effect: Effect.Effect<A, X, R>) => Effect.Effect<A, X, R>
  readonly orAmbiguous: <A, X, R>(
    effect: Effect.Effect<A, X, R>,
    key: Key
  ) => Effect.Effect<A, X | Driver.Failure, R>
  readonly isUnknown: (error: unknown) => boolean
}

const ambiguous = (key: Key): Driver.Failure => Driver.refuse({ _tag: "Ambiguous" }, key)

const withoutAttempt = (node: Driver.Node): Driver.Node => {
  if (node._tag === "Folder" || !(attemptName in node.attributes.metadata)) return node
  const { [attemptName]: _, ...metadata } = node.attributes.metadata
  return { ...node, attributes: { ...node.attributes, metadata } }
}

/** A body that is a stream is sent once: its source may not give it again. */
const retryPut =
  (retry: Retry, put: NonNullable<Driver.Driver["put"]>): NonNullable<Driver.Driver["put"]> =>
  <X, R>(...[key, body, options]: Parameters<typeof put<X, R>>) => {
    const { mode } = options
    const sent = put(key, body, options)
    if (!(body instanceof Uint8Array)) return mode === "overwrite" ? sent : retry.orAmbiguous(sent, key)
    if (mode === "overwrite") return retry.again(sent)
    if (!retry.driver.capabilities.has("metadata")) {
      return reconcile(retry, key, sent, (node) => isUntouched(node, mode) ? undefined : ambiguous(key))
    }
    return Effect.flatMap(Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), (nonce) => {
      const attempt = nonce.toString(36)
      const attributes = {
        ...options.attributes,
        metadata: { ...options.attributes.metadata, [attemptName]: attempt }
      }
      return reconcile(
        retry,
        key,
        put(key, body, { mode, attributes }),
        (node) =>
          node?._tag === "Object" && node.attributes.metadata[attemptName] === attempt
            ? node.version
            : isUntouched(node, mode)
            ? undefined
            : ambiguous(key)
      )
    })
  }

/** Whether what is there is what was there before the write. */
const isUntouched = (node: Driver.Node | undefined, mode: Driver.Mode): boolean =>
  typeof mode === "object" ? node?._tag === "Object" && node.version.etag === mode.ifMatch : node === undefined

/** Sends a conditional write, and after a lost answer asks what is there: done, not done, or nobody can say. */
const reconcile = <X, R>(
  retry: Retry,
  key: Key,
  sent: Effect.Effect<Version, X | Driver.Failure, R>,
  judge: (node: Driver.Node | undefined) => Version | Driver.Failure | undefined
): Effect.Effect<Version, X | Driver.Failure, R> =>
  Effect.suspend(() => {
    const { again, driver, isUnknown } = retry
    let lost = false
    const isRefusal = (error: X | Driver.Failure) =>
      error instanceof Driver.Failure &&
      ["AlreadyExists", "PreconditionFailed"].includes(conditionOf(driver, error)._tag)
    const attempt: Effect.Effect<Version, X | Driver.Failure, R> = Effect.catchAll(sent, (error) => {
      const unknown = isUnknown(error)
      // After a lost answer a refusal may be the work of the lost request itself.
      if (!unknown && !(lost && isRefusal(error))) return Effect.fail(error)
      lost = true
      return Effect.flatMap(look(retry, key), (node) => {
        const verdict = judge(node)
        // Not applied: the error says whether another attempt may be made.
        if (verdict === undefined) return Effect.fail(error)
        return verdict instanceof Driver.Failure ? Effect.fail(verdict) : Effect.succeed(verdict)
      })
    })
    return again(attempt)
  })

const look = ({ again, driver }: Retry, key: Key): Effect.Effect<Driver.Node | undefined, Driver.Failure> =>
  Effect.catchAll(
    again(driver.stat(key)),
    (failure) =>
      conditionOf(driver, failure)._tag === "NotFound" ? Effect.succeed(undefined) : Effect.fail(ambiguous(key))
  )

/** That an object is gone after a lost answer is what the delete was to bring about. */
const retryDelete =
  (retry: Retry, remove: NonNullable<Driver.Driver["delete"]>): NonNullable<Driver.Driver["delete"]> =>
  (key, options) =>
    Effect.suspend(() => {
      const { again, driver, isUnknown, orAmbiguous, untilSent } = retry
      const sent = remove(key, options)
      if (options.ifMatch !== undefined) return orAmbiguous(untilSent(sent), key)
      let lost = false
      return Effect.catchIf(
        again(Effect.tapError(sent, (error) =>
          Effect.sync(() => {
            lost = lost || isUnknown(error)
          }))),
        (failure) => lost && conditionOf(driver, failure)._tag === "NotFound",
        () => Effect.void
      )
    })

/** Goes on where the bytes broke off, with the same version or not at all. */
const resume = (
  retry: Retry,
  key: Key,
  options: Driver.GetOptions
): Effect.Effect<Driver.OpenObject, Driver.Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const { again, driver } = retry
    const scope = yield* Effect.scope
    const first = yield* again(driver.get(key, options))
    const { etag, size } = first
    const resumes = etag !== undefined && driver.capabilities.has("range") && driver.capabilities.has("readIfMatch")
    if (!resumes) return first
    let taken = 0
    const next = (object: Driver.OpenObject): Effect.Effect<Uint8Array | undefined, Driver.Failure> =>
      Effect.flatMap(object.pull, (bytes) => {
        taken += bytes?.length ?? 0
        return bytes === undefined && taken < size
          ? Effect.fail(Driver.refuse({ _tag: "Unavailable", reason: "Truncated", retryable: true }))
          : Effect.succeed(bytes)
      })
    let current = first
    const reopen = Effect.suspend(() =>
      Scope.extend(driver.get(key, { range: restOf(options.range, taken, size), ifMatch: etag }), scope)
    )
    const goOn = Effect.flatMap(reopen, (object) => {
      current = object
      return next(object)
    })
    const pull = Effect.catchAll(
      Effect.suspend(() => next(current)),
      (failure) => isWorthIt(driver, failure) ? again(goOn) : Effect.fail(failure)
    )
    return { size, etag, pull }
  })

const isWorthIt = (driver: Driver.Driver, failure: Driver.Failure): boolean => {
  const condition = conditionOf(driver, failure)
  return condition._tag === "Unavailable" && condition.retryable
}

const restOf = (range: Driver.GetOptions["range"], taken: number, size: number): Driver.GetOptions["range"] => {
  if (range !== undefined && "suffix" in range) return { suffix: size - taken }
  return { offset: (range?.offset ?? 0) + taken, length: size - taken }
}
