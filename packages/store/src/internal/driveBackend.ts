/** A driver over a synchronous backend, wherever that runs. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SyncAttributes, SyncDefinition, SyncEntry, SyncVersion } from "../Backend.ts"
import type { Capability } from "../Capability.ts"
import * as Driver from "../Driver.ts"
import type { Attributes, Entry, Version } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import type { Asked, Asking } from "./askBackend.ts"
import { classifyExplained } from "./explainFailure.ts"
import { pageSize } from "./modelBackend.ts"

/** What goes to a backend at once. */
const pieceBytes = 256 * 1024

const versionOf = ({ etag, modifiedAt, size }: SyncVersion): Effect.Effect<Version, Driver.Failure> =>
  Option.match(DateTime.make(modifiedAt), {
    onNone: () => Effect.fail(Driver.refuse({ _tag: "Unavailable", reason: "Protocol", retryable: false })),
    onSome: (time) => Effect.succeed({ size, etag, modifiedAt: DateTime.toUtc(time) })
  })

const attributesOf = ({ contentType, metadata = {} }: SyncAttributes): Attributes => ({
  contentType: Option.fromNullable(contentType),
  metadata
})

/** The numbers of openings, unique among all that share a worker. */
const makeNumbers = () => {
  let last = 0
  return () => ++last
}

/** @internal */
export const driveBackend = <C extends Capability, A, I>(
  { capabilities, name, quality }: SyncDefinition<C, A, I>,
  asked: Asked
): Driver.Driver<C> => {
  const { choose } = asked
  const number = makeNumbers()
  const once: Asking = (ask) => Effect.suspend(() => choose()(ask))
  return {
    name,
    capabilities: new Set(capabilities),
    quality,
    stat: (key) =>
      Effect.flatMap(
        once({ op: "stat", key }),
        (node): Effect.Effect<Driver.Node, Driver.Failure> =>
          node._tag === "Folder"
            ? Effect.succeed({ _tag: "Folder" })
            : Effect.map(versionOf(node), (version) => ({ _tag: "Object", version, attributes: attributesOf(node) }))
      ),
    get: (key, options) => openObject(asked, number(), key, options),
    put: (key, body, { attributes, mode }) => {
      const given = {
        mode,
        contentType: Option.getOrUndefined(attributes.contentType),
        metadata: attributes.metadata
      }
      const bytes = body instanceof Uint8Array ? Stream.make(body) : body
      return putObject(choose(), { op: "put", of: number(), key, options: given }, bytes)
    },
    delete: (key, { ifMatch }) => once({ op: "delete", key, ifMatch }),
    listPage: (prefix, { recursive, startAfter }) => listPage(once, prefix, recursive, startAfter),
    move: (from, to, mode) => Effect.flatMap(once({ op: "move", from, to, mode }), versionOf),
    copy: (from, to, mode) => Effect.flatMap(once({ op: "copy", from, to, mode }), versionOf),
    removeFolder: (key) => once({ op: "removeFolder", key }),
    classify: classifyExplained
  }
}

type Piece = Exit.Exit<Uint8Array | undefined, Driver.Failure>

const isLast = (piece: Piece): boolean => Exit.isFailure(piece) || piece.value === undefined

/** One piece is on its way and one waits; the end of the scope closes the iterator. */
const openObject = (
  { choose, isElsewhere }: Asked,
  of: number,
  key: StorePath.Key,
  options: Driver.GetOptions
): Effect.Effect<Driver.OpenObject, Driver.Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const ask = choose()
    const { etag, size } = yield* Effect.acquireRelease(
      ask({ op: "open", of, key, options }),
      () => Effect.ignore(ask({ op: "close", of }))
    )
    const opened = etag === undefined ? { size } : { size, etag }
    const next = ask({ op: "next", of })
    if (!isElsewhere) return { ...opened, pull: next }
    const ahead = yield* Queue.bounded<Piece>(1)
    const pump: Effect.Effect<void> = Effect.flatMap(
      Effect.exit(next),
      (piece) => Effect.zipRight(Queue.offer(ahead, piece), isLast(piece) ? Effect.void : Effect.suspend(() => pump))
    )
    yield* Effect.forkScoped(pump)
    let last: Piece | undefined
    const pull = Effect.suspend(() =>
      last ?? Effect.flatMap(Queue.take(ahead), (exit) => {
        if (isLast(exit)) last = exit
        return exit
      })
    )
    return { ...opened, pull }
  })

/** The writer is aborted unless its commit has succeeded. */
const putObject = <E, R>(
  ask: Asking,
  opening: { readonly op: "put"; readonly of: number; readonly key: StorePath.Key; readonly options: PutOptions },
  body: Stream.Stream<Uint8Array, E, R>
): Effect.Effect<Version, Driver.Failure | E, R> => {
  const { of } = opening
  const write = (bytes: Uint8Array): Effect.Effect<void, Driver.Failure> => {
    if (bytes.length <= pieceBytes) return ask({ op: "write", of, bytes: ownBytes(bytes) })
    const pieces = Array.from(
      { length: Math.ceil(bytes.length / pieceBytes) },
      (_, i) => bytes.slice(i * pieceBytes, (i + 1) * pieceBytes)
    )
    return Effect.forEach(pieces, write, { discard: true })
  }
  return Effect.acquireUseRelease(
    ask(opening),
    () =>
      Effect.zipRight(
        Stream.runForEach(body, write),
        Effect.flatMap(ask({ op: "commit", of }), versionOf)
      ),
    () => Effect.ignore(ask({ op: "close", of }))
  )
}

type PutOptions = { readonly mode: Driver.Mode } & SyncAttributes

/** The clone of a view is the clone of all that it looks at. */
const ownBytes = (bytes: Uint8Array): Uint8Array => bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice()

const toEntry = (entry: SyncEntry, key: StorePath.Key): Effect.Effect<Entry, Driver.Failure> =>
  entry._tag === "Folder"
    ? Effect.succeed({ _tag: "Folder", key })
    : Effect.map(versionOf(entry), (version) => ({ _tag: "Object", key, ...version }))

/** Where a listing that has shown this goes on: behind the object, or behind all that is in the folder. */
const behind = (entry: SyncEntry): string => entry._tag === "Folder" ? `${entry.key}/\u{10ffff}` : entry.key

const listPage = (
  ask: Asking,
  prefix: StorePath.Prefix,
  recursive: boolean,
  startAfter: string | undefined,
  before?: SyncEntry
): Effect.Effect<Driver.Page, Driver.Failure> =>
  Effect.gen(function*() {
    const shown = yield* ask({ op: "list", prefix, options: { recursive, startAfter } })
    const entries: Array<Entry> = []
    for (const entry of shown) {
      // Names that are no keys cannot be asked for, and are not shown; a folder reaches behind what is in it.
      if (StorePath.isKey(entry.key) && entry.key !== before?.key) entries.push(yield* toEntry(entry, entry.key))
    }
    const last = shown.at(-1)
    return {
      entries,
      next: last === undefined || shown.length < pageSize
        ? undefined
        : listPage(ask, prefix, recursive, behind(last), last)
    }
  })
