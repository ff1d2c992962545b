/** The operations that read an object's bytes. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Driver from "../Driver.ts"
import type { ObjectReader, Operations, Range, ReadOptions } from "../Operations.ts"
import * as E from "../StoreError.ts"
import type { Kernel, Place } from "./kernel.ts"
import { checkDigest, digestOf, digestStream } from "./makeDigest.ts"
import { isValidRange } from "./resolveRange.ts"

/** @internal */
export const readObjects = (
  kernel: Kernel
): Pick<Operations, "read" | "readBytes" | "readText" | "readJson" | "openReader"> => {
  const { driver } = kernel
  const whereOf = (operation: string, { path }: Place) => ({ path, backend: driver.name, operation })
  const locate = (operation: string, path: string, range: Range | undefined) =>
    Effect.flatMap(kernel.locate(operation, path), (source) =>
      range === undefined || isValidRange(range)
        ? Effect.succeed(source)
        : new E.InvalidRange(whereOf(operation, source)))
  const open = (operation: string, source: Place, options: Driver.GetOptions) => {
    const call = { operation, source }
    return Effect.map(
      kernel.guard(call, driver.get(source.key, options)),
      (object) => pinned(object, whereOf(operation, source), (pull) => kernel.guard(call, pull))
    )
  }
  const readPart = (operation: string, source: Place, options: Driver.GetOptions) =>
    driver.getAll === undefined
      ? Effect.scoped(Effect.flatMap(open(operation, source, options), collect))
      : kernel.guard({ operation, source }, driver.getAll(source.key, options))
  const readAll = (operation: string) => (path: string, options: ReadOptions = {}) => {
    const { digest, ifMatch, range } = options
    return Effect.flatMap(locate(operation, path, range), (source) => {
      const bytes = readPart(operation, source, { range, ifMatch })
      return digest === undefined ? bytes : Effect.tap(
        bytes,
        (all) => checkDigest(whereOf(operation, source), digest, digestOf(digest.algorithm, all))
      )
    })
  }
  const readText = readAll("readText")
  const readForJson = readAll("readJson")
  return {
    read: (path, { digest, ifMatch, range } = {}) =>
      Stream.unwrapScoped(
        Effect.gen(function*() {
          const source = yield* locate("read", path, range)
          const bytes = streamOf(yield* open("read", source, { range, ifMatch }))
          return digest === undefined ? bytes : digestStream(
            digest.algorithm,
            bytes,
            (actual) => checkDigest(whereOf("read", source), digest, actual)
          )
        })
      ),
    readBytes: readAll("readBytes"),
    readText: (path, options) => Effect.map(readText(path, options), decodeText),
    readJson: (path, schema, options) => {
      const decode = Schema.decode(Schema.parseJson(schema))
      return Effect.flatMap(
        readForJson(path, options),
        (bytes) =>
          Effect.mapError(
            decode(decodeText(bytes)),
            (error) => new E.DecodeFailed({ path, backend: driver.name, operation: "readJson", issue: issueOf(error) })
          )
      )
    },
    openReader: (path) =>
      Effect.flatMap(kernel.locate("openReader", path), (source) =>
        Effect.map(
          kernel.guard({ operation: "openReader", source }, openAnywhere(driver, source)),
          ({ attributes, readAt, version }): ObjectReader => ({
            info: { key: source.path, ...version, ...attributes },
            readAt: (offset, length) =>
              isValidRange({ offset, length })
                ? kernel.guard({ operation: "readAt", source }, readAt(offset, length))
                : new E.InvalidRange(whereOf("readAt", source))
          })
        ))
  }
}

const decodeText = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)

/** Where it does not fit, and not the values, which may be secret. */
const issueOf = (error: ParseResult.ParseError): string =>
  ParseResult.ArrayFormatter.formatErrorSync(error)
    .slice(0, 5)
    .map(({ _tag, path }) => `${_tag} at ${path.length === 0 ? "the root" : path.map(String).join(".")}`)
    .join("; ")

/** Over `get` where the driver cannot keep an object open: each call asks for the version that was opened. */
const openAnywhere = (driver: Driver.Driver, { key }: Place) =>
  driver.openReader?.(key) ??
    Effect.flatMap(driver.stat(key), (node): Effect.Effect<Driver.OpenReader, Driver.Failure> => {
      if (node._tag === "Folder") return Effect.fail(Driver.refuse({ _tag: "InvalidPath", reason: "IsFolder" }))
      const { attributes, version } = node
      const ifMatch = driver.capabilities.has("readIfMatch") ? version.etag : undefined
      const readAt = (offset: number, length: number): Effect.Effect<Uint8Array, Driver.Failure> => {
        if (length === 0 || offset >= version.size) return Effect.succeed(new Uint8Array(0))
        const options = { range: { offset, length }, ifMatch }
        return driver.getAll?.(key, options) ?? Effect.scoped(Effect.flatMap(driver.get(key, options), collect))
      }
      return Effect.succeed({ version, attributes, readAt })
    })

interface Opened<X> {
  readonly size: number
  readonly pull: Effect.Effect<Uint8Array | undefined, X>
}

/** Holds an opened object to its word: an early end is a failure, not an end. */
const pinned = (
  object: Driver.OpenObject,
  where: { readonly path: string; readonly backend: string; readonly operation: string },
  guard: <A>(pull: Effect.Effect<A, Driver.Failure>) => Effect.Effect<A, E.StoreError>
): Opened<E.StoreError> => {
  let missing = object.size
  const pull = Effect.flatMap(guard(object.pull), (bytes) => {
    missing -= bytes?.length ?? 0
    if (bytes !== undefined || missing === 0) return Effect.succeed(bytes)
    const cause = `the object ended with ${missing} bytes missing`
    return new E.BackendUnavailable({ ...where, reason: "Truncated", retryable: true, cause })
  })
  return { size: object.size, pull }
}

const streamOf = <X>({ pull }: Opened<X>): Stream.Stream<Uint8Array, X> =>
  Stream.fromPull(Effect.succeed(Effect.matchEffect(pull, {
    onFailure: (error) => Effect.fail(Option.some(error)),
    onSuccess: (bytes) => bytes === undefined ? Effect.fail(Option.none()) : Effect.succeed(Chunk.of(bytes))
  })))

const collect = <X>(object: Opened<X>): Effect.Effect<Uint8Array, X> =>
  Effect.flatMap(
    object.pull,
    (first) => first !== undefined && first.length === object.size ? Effect.succeed(first) : collectParts(object, first)
  )

const collectParts = <X>(object: Opened<X>, first: Uint8Array | undefined): Effect.Effect<Uint8Array, X> =>
  Effect.gen(function*() {
    const all = new Uint8Array(object.size)
    let length = 0
    for (let bytes = first; bytes !== undefined; bytes = yield* object.pull) {
      all.set(bytes, length)
      length += bytes.length
    }
    return length === all.length ? all : all.slice(0, length)
  })
