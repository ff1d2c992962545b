/** What all operations have in common: how paths are understood and how failures are told. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Driver from "../Driver.ts"
import * as E from "../StoreError.ts"
import * as StorePath from "../StorePath.ts"

/** @internal A path that the caller gave, understood: `path` as this store shows it, `key` as the driver knows it. */
export interface Place {
  readonly path: StorePath.Key
  readonly key: StorePath.Key
}

/** The places of one call. A failure is reported against the one that it concerns. */
interface Call {
  readonly operation: string
  readonly source?: Place
  readonly target?: Place
  /** What to report where there is neither. */
  readonly path?: string
}

/** @internal */
export interface Kernel {
  readonly driver: Driver.Driver
  readonly base: StorePath.Prefix
  readonly locate: (operation: string, path: string) => Either.Either<Place, E.InvalidPath>
  /** The folder as the driver knows it. */
  readonly locateFolder: (operation: string, path: string) => Either.Either<StorePath.Prefix, E.InvalidPath>
  /** The choke point: every failure of the driver leaves as a `StoreError`, every other error as it is. */
  readonly guard: <A, X, R>(
    call: Call,
    effect: Effect.Effect<A, X | Driver.Failure, R>
  ) => Effect.Effect<A, Exclude<X, Driver.Failure> | E.StoreError, R>
}

/** @internal */
export const makeKernel = (driver: Driver.Driver, base: StorePath.Prefix): Kernel => {
  const kernel: Kernel = {
    driver,
    base,
    locate: (operation, path) => {
      const own = StorePath.parse(path)
      if (Either.isLeft(own)) return Either.left(at(driver, operation, own.left))
      const key = StorePath.join(base, own.right)
      return Either.isLeft(key)
        ? Either.left(at(driver, operation, key.left))
        : Either.right({ path: own.right, key: key.right })
    },
    locateFolder: (operation, path) =>
      Either.flatMap(
        StorePath.parsePrefix(path),
        (own): Either.Either<StorePath.Prefix, E.InvalidPath> =>
          own === "" ? Either.right(base) : StorePath.join(base, own)
      ).pipe(Either.mapLeft((error) => at(driver, operation, error))),
    guard: (call, effect) => Effect.catchIf(effect, isFailure, (failure) => translate(kernel, call, failure))
  }
  return kernel
}

const isFailure = (error: unknown): error is Driver.Failure => error instanceof Driver.Failure

/** @internal */
export const at = (driver: Driver.Driver, operation: string, error: E.InvalidPath) =>
  new E.InvalidPath({ path: error.path, reason: error.reason, backend: driver.name, operation })

/** @internal What is below the base, as the store shows it. */
export const relative = (base: StorePath.Prefix, key: StorePath.Key): StorePath.Key => {
  const own = base === "" ? key : key.slice(base.length + 1)
  return StorePath.isKey(own) ? own : key
}

/** @internal The same for a folder, which may be the base itself. */
export const relativeFolder = (base: StorePath.Prefix, key: StorePath.Prefix): StorePath.Prefix =>
  key === "" || key === base ? StorePath.root : relative(base, key)

/** @internal */
export const conditionOf = (driver: Pick<Driver.Driver, "classify">, failure: Driver.Failure): Driver.Condition =>
  failure.cause instanceof Driver.Refusal ? failure.cause.condition : driver.classify(failure.cause)

/** @internal For what happens before there is a store. */
export const guardOpening = <A, R>(
  driver: Pick<Driver.Driver, "name" | "classify">,
  path: string,
  effect: Effect.Effect<A, Driver.Failure, R>
): Effect.Effect<A, E.StoreError, R> =>
  Effect.catchAll(
    effect,
    (failure) =>
      translate({ driver: { ...driver, stat: () => Effect.fail(failure) } }, { operation: "open", path }, failure)
  )

const translate = (
  kernel: { readonly driver: Pick<Driver.Driver, "name" | "classify" | "stat"> },
  call: Call,
  failure: Driver.Failure
): Effect.Effect<never, E.StoreError> => {
  const { driver } = kernel
  const condition = conditionOf(driver, failure)
  const place = call.target !== undefined && (failure.key === call.target.key || call.source === undefined)
    ? call.target
    : call.source
  const where = { path: place?.path ?? call.path ?? "", backend: driver.name, operation: call.operation }
  switch (condition._tag) {
    case "NotFound":
      return Effect.fail(new E.NotFound(where))
    case "AlreadyExists":
      return folderOr(driver, place, where, new E.AlreadyExists(where))
    case "PreconditionFailed":
      return Effect.fail(new E.PreconditionFailed(where))
    case "PermissionDenied":
      return folderOr(driver, place, where, new E.PermissionDenied({ ...where, cause: failure.cause }))
    case "InvalidPath":
      // Nothing can be below an object: for whoever looks there, there is nothing.
      return Effect.fail(
        condition.reason === "AncestorIsObject" && (place === undefined || place !== call.target)
          ? new E.NotFound(where)
          : new E.InvalidPath({ ...where, reason: condition.reason })
      )
    case "Locked":
      return Effect.fail(new E.ResourceLocked({ ...where, cause: failure.cause }))
    case "DirectoryNotEmpty":
      return Effect.fail(new E.DirectoryNotEmpty(where))
    case "IntegrityMismatch":
      return Effect.fail(
        new E.IntegrityMismatch({ ...where, expected: condition.expected, actual: condition.actual })
      )
    case "Ambiguous":
      return Effect.fail(new E.AmbiguousWrite({ ...where, cause: failure.cause }))
    case "NotSupported":
      return Effect.fail(new E.CapabilityNotSupported({ ...where, capability: condition.capability }))
    case "Unavailable":
      return Effect.fail(
        new E.BackendUnavailable({
          ...where,
          reason: condition.reason,
          retryable: condition.retryable,
          applied: condition.applied ?? "no",
          cause: failure.cause
        })
      )
  }
}

/** Backends say "exists" or "denied" of a folder in the way; only now, after the failure, is it worth asking. */
const folderOr = (
  driver: Pick<Driver.Driver, "stat">,
  place: Place | undefined,
  where: { readonly path: string; readonly backend: string; readonly operation: string },
  error: E.StoreError
): Effect.Effect<never, E.StoreError> =>
  place === undefined
    ? Effect.fail(error)
    : Effect.matchEffect(driver.stat(place.key), {
      onFailure: () => Effect.fail(error),
      onSuccess: (node) =>
        Effect.fail(node._tag === "Folder" ? new E.InvalidPath({ ...where, reason: "IsFolder" }) : error)
    })

/** @internal */
export const refused = (driver: Driver.Driver, operation: string, capability: string) =>
  new E.CapabilityNotSupported({ backend: driver.name, operation, capability })
