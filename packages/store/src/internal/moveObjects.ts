/** One object from one store to another, and never of two versions. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Attributes, Version } from "../Entry.ts"
import type { WriteOptions } from "../Operations.ts"
import type { StoreOf } from "../Store.ts"
import type { CapabilityNotSupported, StoreError } from "../StoreError.ts"

/** @internal */
export interface Parts {
  /** Objects up to this length are read and written as one array of bytes, longer ones in parts of it. */
  readonly partBytes: number
  /** How many parts of one object are asked for at once. */
  readonly partsUnderWay: number
}

type Bytes = Stream.Stream<Uint8Array, StoreError>

/** @internal Where objects come from. Both ways of reading are pinned to the version where the store can pin. */
export interface Source {
  readonly readBytes: (path: string, version: Pick<Version, "etag">) => Effect.Effect<Uint8Array, StoreError>
  readonly read: (path: string, version: Pick<Version, "etag" | "size">) => Bytes
  /** Asked for where both sides keep content type and metadata. */
  readonly stat: ((path: string) => Effect.Effect<Version & Attributes, StoreError>) | undefined
}

const partsOf = (size: number, { partBytes }: Parts) =>
  Stream.unfold(0, (offset) =>
    offset < size
      ? Option.some([{ offset, length: Math.min(partBytes, size - offset) }, offset + partBytes])
      : Option.none()).pipe(Stream.rechunk(1))

/**
 * @internal A store that can read ranges of a version is asked for several at once; the bytes come in their order.
 * Another one is read from beginning to end, which is of one version by itself.
 */
export const makeSource = (
  store: StoreOf<"read">,
  keepsAttributes: boolean,
  parts: Parts
): Effect.Effect<Source, CapabilityNotSupported> =>
  Effect.gen(function*() {
    const stat = keepsAttributes ? store.stat : undefined
    if (!store.supports("readIfMatch")) {
      return { readBytes: (path) => store.readBytes(path), read: (path) => store.read(path), stat }
    }
    const pinned = yield* store.require("readIfMatch")
    const readBytes: Source["readBytes"] = (path, { etag }) => pinned.readBytes(path, { ifMatch: etag })
    if (!store.supports("range")) {
      return { readBytes, read: (path, { etag }) => pinned.read(path, { ifMatch: etag }), stat }
    }
    const ranged = yield* pinned.require("range")
    const read: Source["read"] = (path, { etag, size }) =>
      Stream.mapEffect(
        partsOf(size, parts),
        (range) => ranged.readBytes(path, { range, ifMatch: etag }),
        { concurrency: parts.partsUnderWay }
      )
    return { readBytes, read, stat }
  })

/** @internal */
export type Target = (
  path: string,
  body: Uint8Array | Bytes,
  attributes: Attributes | undefined
) => Effect.Effect<unknown, StoreError>

const given = (attributes: Attributes | undefined): Pick<WriteOptions, "contentType" | "metadata"> => {
  if (attributes === undefined) return {}
  const { contentType, metadata } = attributes
  return Option.isSome(contentType) ? { metadata, contentType: contentType.value } : { metadata }
}

/** @internal Refuses a mode that the store cannot keep. */
export const makeTarget = (
  store: StoreOf<"write">,
  mode: "create" | "overwrite"
): Effect.Effect<Target, CapabilityNotSupported> =>
  Effect.gen(function*() {
    if (!store.supports("metadata")) {
      if (mode === "overwrite") return (path, body) => store.write(path, body, { mode })
      const creating = yield* store.require("createIfAbsent")
      return (path, body) => creating.write(path, body, { mode })
    }
    const keeping = yield* store.require("metadata")
    if (mode === "overwrite") {
      return (path, body, attributes) => keeping.write(path, body, { mode, ...given(attributes) })
    }
    const creating = yield* keeping.require("createIfAbsent")
    return (path, body, attributes) => creating.write(path, body, { mode, ...given(attributes) })
  })

/** @internal `moved` hears of bytes as they go. */
export const moveObject = (
  source: Source,
  target: Target,
  item: { readonly from: string; readonly to: string } & Pick<Version, "etag" | "size">,
  parts: Parts,
  moved: (bytes: number) => void
): Effect.Effect<void, StoreError> =>
  Effect.gen(function*() {
    const { from, to } = item
    const known = source.stat === undefined ? undefined : yield* source.stat(from)
    const { etag, size } = known ?? item
    if (size > parts.partBytes) {
      const body = Stream.map(source.read(from, { etag, size }), (bytes) => {
        moved(bytes.length)
        return bytes
      })
      yield* target(to, body, known)
      return
    }
    const bytes = yield* source.readBytes(from, { etag })
    yield* target(to, bytes, known)
    moved(bytes.length)
  })
