/** The operations that look through folders. */
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Driver from "../Driver.ts"
import type { Entry, FolderInfo, ObjectEntry } from "../Entry.ts"
import type { ListOptions, Operations } from "../Operations.ts"
import * as E from "../StoreError.ts"
import * as StorePath from "../StorePath.ts"
import { at, refused, relative, relativeFolder } from "./kernel.ts"
import type { Kernel } from "./kernel.ts"
import { matchesName, matchesPath, parsePattern } from "./matchGlob.ts"
import type { Pattern, Segment } from "./matchGlob.ts"

type Entries = Stream.Stream<Entry, E.StoreError>

/** How one call gets at the pages of a folder, as the driver knows it. */
interface Listing {
  readonly pages: (folder: StorePath.Prefix, options: Driver.ListOptions) => Entries
}

/** @internal */
export const listObjects = (kernel: Kernel): Pick<Operations, "list" | "glob" | "folderInfo"> => {
  const { base, driver } = kernel
  const shown = <A extends Entry>(entries: Stream.Stream<A, E.StoreError>): Stream.Stream<A, E.StoreError> =>
    base === "" ? entries : Stream.map(entries, (entry) => ({ ...entry, key: relative(base, entry.key) }))
  return {
    list: (path, options = {}) =>
      unwrap(
        Either.gen(function*() {
          const folder = yield* kernel.locateFolder("list", path)
          const startAfter = options.startAfter === undefined
            ? undefined
            : (yield* kernel.locate("list", options.startAfter)).key
          const selected = yield* selector(folder, options.pattern)
          const entries = select(enumerate(listing(kernel, "list", path), folder, { ...options, startAfter }), selected)
          return shown(entries)
        }),
        (error) => at(driver, "list", error)
      ),
    glob: (text) =>
      unwrap(
        Either.mapLeft(parsePattern(text), (reason) => new E.InvalidPath({ path: text, reason })).pipe(
          Either.map((pattern) => shown(search(kernel, listing(kernel, "glob", text), base, pattern)))
        ),
        (error) => at(driver, "glob", error)
      ),
    folderInfo: (path, options = {}) =>
      Effect.gen(function*() {
        const folder = yield* kernel.locateFolder("folderInfo", path)
        const { maxDepth } = options
        const entries = enumerate(listing(kernel, "folderInfo", path), folder, {
          recursive: true,
          ...(maxDepth === undefined ? {} : { maxDepth })
        })
        const key = relativeFolder(base, folder)
        const none: FolderInfo = { key, objects: 0, size: 0, modifiedAt: Option.none() }
        const info = yield* Stream.runFold(entries, none, add)
        if (info.objects > 0 || key === "") return info
        const place = yield* kernel.locate("folderInfo", path)
        const node = yield* kernel.guard({ operation: "folderInfo", source: place }, driver.stat(place.key))
        if (node._tag === "Folder") return info
        return yield* new E.NotFound({ path, backend: driver.name, operation: "folderInfo" })
      })
  }
}

const unwrap = <A>(
  either: Either.Either<Stream.Stream<A, E.StoreError>, E.InvalidPath>,
  place: (error: E.InvalidPath) => E.InvalidPath
): Stream.Stream<A, E.StoreError> => Either.isLeft(either) ? Stream.fail(place(either.left)) : either.right

/** @internal */
export const listing = (kernel: Kernel, operation: string, path: string): Listing => ({
  pages: (folder, options) => {
    const listPage = kernel.driver.listPage
    if (listPage === undefined) return Stream.fail(refused(kernel.driver, operation, "list"))
    return Stream.paginateChunkEffect(
      Effect.suspend(() => listPage(folder, options)),
      (page: Effect.Effect<Driver.Page, Driver.Failure>) =>
        Effect.map(kernel.guard({ operation, path }, page), ({ entries, next }) => [
          Chunk.unsafeFromArray(entries),
          Option.fromNullable(next)
        ])
    ).pipe(Stream.catchTag("NotFound", () => Stream.empty))
  }
})

/** A folder sorts where the keys below it do: "a-b" before "a/b". */
const isBehind = (entry: Entry, startAfter: string): boolean =>
  StorePath.compare(entry._tag === "Folder" ? `${entry.key}/` : entry.key, startAfter) > 0

/** Whether a folder can hold something behind: "0" follows "/". */
const reachesBehind = (folder: StorePath.Key, startAfter: string | undefined): boolean =>
  startAfter === undefined || StorePath.compare(`${folder}0`, startAfter) > 0

interface Extent extends Pick<ListOptions, "recursive" | "maxDepth"> {
  readonly startAfter?: string | undefined
}

const enumerate = ({ pages }: Listing, folder: StorePath.Prefix, extent: Extent): Entries => {
  const { maxDepth, recursive = false, startAfter } = extent
  const from = startAfter === undefined ? {} : { startAfter }
  if (!recursive || maxDepth === undefined) {
    const entries = pages(folder, { recursive, ...from })
    return startAfter === undefined ? entries : Stream.filter(entries, (entry) => isBehind(entry, startAfter))
  }
  const walk = (inner: StorePath.Prefix, depth: number): Entries =>
    descend(pages(inner, { recursive: false, ...from }), (entry) =>
      entry._tag === "Object"
        ? startAfter === undefined || isBehind(entry, startAfter)
        : depth < maxDepth && reachesBehind(entry.key, startAfter) && walk(entry.key, depth + 1))
  return maxDepth < 1 ? Stream.empty : walk(folder, 1)
}

/** Keeps an entry, leaves it out, or puts a stream in its place; all in order. */
const descend = (entries: Entries, decide: (entry: Entry) => boolean | Entries): Entries =>
  Stream.flatMap(Stream.chunks(entries), (chunk) => {
    const parts: Array<Entries> = []
    let run: Array<Entry> = []
    for (const entry of chunk) {
      const decision = decide(entry)
      if (decision === true) run.push(entry)
      else if (decision !== false) {
        parts.push(Stream.fromChunk(Chunk.unsafeFromArray(run)), decision)
        run = []
      }
    }
    parts.push(Stream.fromChunk(Chunk.unsafeFromArray(run)))
    return Stream.concatAll(Chunk.unsafeFromArray(parts))
  })

type Selector = ((entry: Entry) => boolean) | undefined

const selector = (folder: StorePath.Prefix, text: string | undefined): Either.Either<Selector, E.InvalidPath> => {
  if (text === undefined) return Either.right(undefined)
  return Either.match(parsePattern(text), {
    onLeft: (reason) => Either.left(new E.InvalidPath({ path: text, reason })),
    onRight: (pattern): Either.Either<Selector> => {
      const [only] = pattern
      const depth = StorePath.segments(folder).length
      return Either.right(
        only !== undefined && pattern.length === 1
          ? ({ key }) => matchesName(only, StorePath.name(key))
          : ({ key }) => matchesPath(pattern, StorePath.segments(key).slice(depth))
      )
    }
  })
}

const select = (entries: Entries, selected: Selector): Entries =>
  selected === undefined ? entries : Stream.filter(entries, selected)

const isObject = (entry: Entry): entry is ObjectEntry => entry._tag === "Object"

/** Goes down only into folders whose names fit, and lists whole trees only below `**`. */
const search = (
  kernel: Kernel,
  { pages }: Listing,
  base: StorePath.Prefix,
  pattern: Pattern
): Stream.Stream<ObjectEntry, E.StoreError> => {
  const from = (folder: StorePath.Prefix, [first, ...rest]: Pattern): Entries => {
    if (first === undefined) return Stream.empty
    if (first._tag === "Folders") {
      const depth = StorePath.segments(folder).length
      return Stream.filter(
        pages(folder, { recursive: true }),
        ({ key }) => matchesPath([first, ...rest], StorePath.segments(key).slice(depth))
      )
    }
    if (first._tag === "Literal") return named(folder, first, rest)
    return descend(pages(folder, { recursive: false }), (entry) => {
      if (!matchesName(first, StorePath.name(entry.key))) return false
      return entry._tag === "Object" ? rest.length === 0 : rest.length > 0 && from(entry.key, rest)
    })
  }
  const named = (folder: StorePath.Prefix, { name }: Segment & { readonly _tag: "Literal" }, rest: Pattern): Entries =>
    Either.match(Either.flatMap(StorePath.parse(name), (own) => StorePath.join(folder, own)), {
      onLeft: (error) => Stream.fail(at(kernel.driver, "glob", error)),
      onRight: (key) => rest.length > 0 ? from(key, rest) : only(kernel, key)
    })
  return Stream.filter(from(base, pattern), isObject)
}

/** The one object that a pattern without wildcards at its end can mean. */
const only = (kernel: Kernel, key: StorePath.Key): Entries => {
  const source = { key, path: relative(kernel.base, key) }
  return Stream.fromEffect(kernel.guard({ operation: "glob", source }, kernel.driver.stat(key))).pipe(
    Stream.filterMap((node) =>
      node._tag === "Object" ? Option.some<Entry>({ _tag: "Object", key, ...node.version }) : Option.none()
    ),
    Stream.catchTag("NotFound", () => Stream.empty)
  )
}

const add = (info: FolderInfo, entry: Entry): FolderInfo => {
  if (entry._tag === "Folder") return info
  const latest = Option.match(info.modifiedAt, {
    onNone: () => entry.modifiedAt,
    onSome: (earlier) => DateTime.max(earlier, entry.modifiedAt)
  })
  return { ...info, objects: info.objects + 1, size: info.size + entry.size, modifiedAt: Option.some(latest) }
}
