/** The one contract of all backends, over the wire primitives of one. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Driver from "../Driver.ts"
import type { Entry, ObjectInfo, WriteResult } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import type { Operations, Range, ReadOptions, TransferOptions, WriteOptions } from "../Operations.ts"
import * as E from "../StoreError.ts"
import { isValidRange } from "./resolveRange.ts"

/** A path that the caller gave, understood: `path` as this store shows it, `key` as the driver knows it. */
interface Place {
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

interface Kernel {
  readonly driver: Driver.Driver
  readonly base: StorePath.Prefix
  readonly locate: (operation: string, path: string) => Either.Either<Place, E.InvalidPath>
  /** The choke point: every failure of the driver leaves as a `StoreError`, every other error as it is. */
  readonly guard: <A, X, R>(
    call: Call,
    effect: Effect.Effect<A, X | Driver.Failure, R>
  ) => Effect.Effect<A, Exclude<X, Driver.Failure> | E.StoreError, R>
}

/** @internal */
export const makeOperations = (driver: Driver.Driver, base: StorePath.Prefix): Operations => {
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
    guard: (call, effect) => Effect.catchIf(effect, isFailure, (failure) => translate(kernel, call, failure))
  }
  return { ...reading(kernel), ...looking(kernel), ...writing(kernel), ...transferring(kernel) }
}

const isFailure = (error: unknown): error is Driver.Failure => error instanceof Driver.Failure

const at = (driver: Driver.Driver, operation: string, error: E.InvalidPath) =>
  new E.InvalidPath({ path: error.path, reason: error.reason, backend: driver.name, operation })

/** What is below the base, as the store shows it. */
const relative = (base: StorePath.Prefix, key: StorePath.Key): StorePath.Key => {
  const own = base === "" ? key : key.slice(base.length + 1)
  return StorePath.isKey(own) ? own : key
}

const conditionOf = (driver: Pick<Driver.Driver, "classify">, failure: Driver.Failure): Driver.Condition =>
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

const refused = (driver: Driver.Driver, operation: string, capability: string) =>
  new E.CapabilityNotSupported({ backend: driver.name, operation, capability })

const reading = (kernel: Kernel): Pick<Operations, "read" | "readBytes" | "readText"> => {
  const { driver } = kernel
  const locate = (operation: string, path: string, range: Range | undefined) =>
    Effect.flatMap(kernel.locate(operation, path), (source) =>
      range === undefined || isValidRange(range)
        ? Effect.succeed(source)
        : new E.InvalidRange({ path: source.path, backend: driver.name, operation }))
  const open = (operation: string, source: Place, options: Driver.GetOptions) => {
    const call = { operation, source }
    const where = { path: source.path, backend: driver.name, operation }
    return Effect.map(
      kernel.guard(call, driver.get(source.key, options)),
      (object) => pinned(object, where, (pull) => kernel.guard(call, pull))
    )
  }
  const readAll = (operation: string) => (path: string, options: ReadOptions = {}) => {
    const { ifMatch, range } = options
    return Effect.flatMap(
      locate(operation, path, range),
      (source) =>
        driver.getAll === undefined
          ? Effect.scoped(Effect.flatMap(open(operation, source, { range, ifMatch }), collect))
          : kernel.guard({ operation, source }, driver.getAll(source.key, { range, ifMatch }))
    )
  }
  const readText = readAll("readText")
  return {
    read: (path, { ifMatch, range } = {}) =>
      Stream.unwrapScoped(
        Effect.map(
          Effect.flatMap(locate("read", path, range), (source) => open("read", source, { range, ifMatch })),
          ({ pull }) =>
            Stream.fromPull(Effect.succeed(Effect.matchEffect(pull, {
              onFailure: (error) => Effect.fail(Option.some(error)),
              onSuccess: (bytes) => bytes === undefined ? Effect.fail(Option.none()) : Effect.succeed(Chunk.of(bytes))
            })))
        )
      ),
    readBytes: readAll("readBytes"),
    readText: (path, options) =>
      Effect.map(readText(path, options), (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes))
  }
}

interface Opened {
  readonly size: number
  readonly pull: Effect.Effect<Uint8Array | undefined, E.StoreError>
}

/** Holds an opened object to its word: an early end is a failure, not an end. */
const pinned = (
  object: Driver.OpenObject,
  where: { readonly path: string; readonly backend: string; readonly operation: string },
  guard: <A>(pull: Effect.Effect<A, Driver.Failure>) => Effect.Effect<A, E.StoreError>
): Opened => {
  let missing = object.size
  const pull = Effect.flatMap(guard(object.pull), (bytes) => {
    missing -= bytes?.length ?? 0
    if (bytes !== undefined || missing === 0) return Effect.succeed(bytes)
    const cause = `the object ended with ${missing} bytes missing`
    return new E.BackendUnavailable({ ...where, reason: "Truncated", retryable: true, cause })
  })
  return { size: object.size, pull }
}

const collect = (object: Opened): Effect.Effect<Uint8Array, E.StoreError> =>
  Effect.flatMap(
    object.pull,
    (first) => first !== undefined && first.length === object.size ? Effect.succeed(first) : collectParts(object, first)
  )

const collectParts = (object: Opened, first: Uint8Array | undefined): Effect.Effect<Uint8Array, E.StoreError> =>
  Effect.gen(function*() {
    const all = new Uint8Array(object.size)
    let length = 0
    for (let bytes = first; bytes !== undefined; bytes = yield* object.pull) {
      all.set(bytes, length)
      length += bytes.length
    }
    return all
  })

const looking = (kernel: Kernel): Pick<Operations, "stat" | "exists" | "list"> => {
  const { base, driver } = kernel
  const look = <A>(
    operation: string,
    path: string,
    answer: (node: Driver.Node, source: Place) => Effect.Effect<A, E.StoreError>
  ) =>
    Effect.flatMap(
      kernel.locate(operation, path),
      (source) =>
        Effect.flatMap(
          kernel.guard({ operation, source }, driver.stat(source.key)),
          (node) => answer(node, source)
        )
    )
  return {
    stat: (path) =>
      look("stat", path, (node, source): Effect.Effect<ObjectInfo, E.StoreError> =>
        node._tag === "Folder"
          ? at(driver, "stat", new E.InvalidPath({ path: source.path, reason: "IsFolder" }))
          : Effect.succeed({ key: source.path, ...node.version, ...node.attributes })),
    exists: (path) =>
      Effect.catchTag(
        look("exists", path, (node) => Effect.succeed(node._tag === "Object")),
        "NotFound",
        () => Effect.succeed(false)
      ),
    list: (path, options) => {
      const listPage = driver.listPage
      if (listPage === undefined) return Stream.fail(refused(driver, "list", "list"))
      const prefix = Either.flatMap(
        StorePath.parsePrefix(path),
        (own) => own === "" ? Either.right(base) : StorePath.join(base, own)
      )
      if (Either.isLeft(prefix)) return Stream.fail(at(driver, "list", prefix.left))
      const recursive = options?.recursive ?? false
      return Stream.paginateChunkEffect(
        Effect.suspend(() => listPage(prefix.right, { recursive })),
        (page: Effect.Effect<Driver.Page, Driver.Failure>) =>
          Effect.map(kernel.guard({ operation: "list", path }, page), ({ entries, next }) => [
            Chunk.unsafeFromArray(base === "" ? entries : entries.map((entry) => rebase(base, entry))),
            Option.fromNullable(next)
          ])
      ).pipe(Stream.catchTag("NotFound", () => Stream.empty))
    }
  }
}

const rebase = (base: StorePath.Prefix, entry: Entry): Entry => ({ ...entry, key: relative(base, entry.key) })

const encoder = new TextEncoder()

const writing = (kernel: Kernel): Pick<Operations, "write" | "delete"> => {
  const { driver } = kernel
  return {
    write: (path, body, options?: WriteOptions) =>
      Effect.gen(function*() {
        if (driver.put === undefined) return yield* refused(driver, "write", "write")
        const target = yield* kernel.locate("write", path)
        const version = yield* kernel.guard(
          { operation: "write", target },
          driver.put(target.key, typeof body === "string" ? encoder.encode(body) : body, {
            mode: options?.mode ?? "create",
            attributes: {
              contentType: Option.fromNullable(options?.contentType),
              metadata: options?.metadata ?? {}
            }
          })
        )
        return { key: target.path, ...version }
      }),
    delete: (path, options) =>
      Effect.gen(function*() {
        if (driver.delete === undefined) return yield* refused(driver, "delete", "delete")
        const source = yield* kernel.locate("delete", path)
        yield* kernel.guard({ operation: "delete", source }, driver.delete(source.key, { ifMatch: undefined }))
      }).pipe(
        Effect.catchTag("NotFound", (error) => options?.missingOk === true ? Effect.void : Effect.fail(error))
      )
  }
}

const transferring = (kernel: Kernel): Pick<Operations, "move" | "copy"> => {
  const { driver } = kernel
  const transfer = (operation: "move" | "copy") => (from: string, to: string, options?: TransferOptions) =>
    Effect.gen(function*() {
      const primitive = driver[operation]
      if (primitive === undefined) return yield* refused(driver, operation, operation)
      const source = yield* kernel.locate(operation, from)
      const target = yield* kernel.locate(operation, to)
      const call = source.key === target.key ? { operation, source } : { operation, source, target }
      const version = yield* kernel.guard(
        call,
        source.key === target.key
          ? Effect.flatMap(driver.stat(source.key), (node) =>
            node._tag === "Object"
              ? Effect.succeed(node.version)
              : Effect.fail(Driver.refuse({ _tag: "InvalidPath", reason: "IsFolder" })))
          : primitive(source.key, target.key, options?.mode ?? "create")
      )
      const result: WriteResult = { key: target.path, ...version }
      return result
    })
  return { move: transfer("move"), copy: transfer("copy") }
}
