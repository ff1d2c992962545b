/** A store as a file system: what it can do is done, the rest is refused. */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Capability } from "../Capability.ts"
import type { ObjectInfo } from "../Entry.ts"
import type { StoreOf } from "../Store.ts"
import type { StoreError } from "../StoreError.ts"
import { badArgument, toPlatformError, unsupported } from "./toPlatformError.ts"
import { fileInfo, openedReader, openedWriter } from "./viewHandles.ts"

type Viewed = StoreOf<"read" | "write" | "delete" | "list">
type Result<A> = Effect.Effect<A, PlatformError.PlatformError>

const wrap = <A, R>(method: string, path: string, effect: Effect.Effect<A, StoreError, R>) =>
  Effect.mapError(effect, toPlatformError("FileSystem", method, path))

const refuse = (method: string, description: string) => (path: string) => unsupported(method, path, description)

/** How a flag of open(2) writes a whole file; undefined where it does something else. */
const modeOf = (flag: FileSystem.OpenFlag): "create" | "overwrite" | undefined => {
  if (flag === "w" || flag === "w+") return "overwrite"
  return flag === "wx" || flag === "wx+" ? "create" : undefined
}

type Creating = "write" | "atomicWrite" | "createIfAbsent"

const atomically = (mode: "create" | "overwrite"): ReadonlyArray<Creating> =>
  mode === "create" ? ["write", "atomicWrite", "createIfAbsent"] : ["write", "atomicWrite"]

/** What an operation needs besides is asked for when it is called. */
const widened = <K extends Capability>(store: Viewed, method: string, path: string, ...wanted: ReadonlyArray<K>) =>
  wrap(method, path, store.require(...wanted))

const statFile = (store: Viewed) => (path: string): Result<FileSystem.File.Info> =>
  Effect.flatMap(wrap("stat", path, store.isFolder(path)), (isFolder) =>
    isFolder
      ? Effect.succeed(fileInfo("Directory", 0, Option.none()))
      : Effect.map(wrap("stat", path, store.stat(path)), fileOf))

/** The mode of a write, which keeps no permissions. */
const writing = (
  method: string,
  path: string,
  { flag = "w", mode }: FileSystem.WriteFileOptions
): Result<"create" | "overwrite"> => {
  if (mode !== undefined) return unsupported(method, path, "a store keeps no permissions")
  const wanted = modeOf(flag)
  return wanted === undefined
    ? unsupported(method, path, `a store writes whole files; flag ${flag} asks for something else`)
    : Effect.succeed(wanted)
}

const writeFile =
  (store: Viewed, method: string) =>
  (path: string, body: Uint8Array, options: FileSystem.WriteFileOptions = {}): Result<void> =>
    Effect.flatMap(writing(method, path, options), (mode) =>
      mode === "overwrite"
        ? wrap(method, path, Effect.asVoid(store.write(path, body, { mode })))
        : Effect.flatMap(widened(store, method, path, "write", "createIfAbsent"), (creating) =>
          wrap(method, path, Effect.asVoid(creating.write(path, body, { mode })))))

const openFile = (store: Viewed) =>
(
  path: string,
  { flag = "r", ...options }: FileSystem.OpenFileOptions = {}
): Effect.Effect<FileSystem.File, PlatformError.PlatformError, Scope.Scope> =>
  flag === "r"
    ? Effect.flatMap(widened(store, "open", path, "read", "range"), (ranged) =>
      Effect.map(wrap("open", path, ranged.openReader(path)), (reader) => openedReader(path, reader)))
    : Effect.flatMap(writing("open", path, { flag, ...options }), (mode) =>
      Effect.flatMap(widened(store, "open", path, ...atomically(mode)), (atomic) =>
        Effect.map(wrap("open", path, atomic.openAtomic(path, { mode })), (writer) =>
          openedWriter(path, writer))))

const sinkFile = (store: Viewed) => (path: string, { flag = "w", ...options }: FileSystem.SinkOptions = {}) =>
  Sink.unwrap(Effect.map(
    Effect.flatMap(writing("sink", path, { flag, ...options }), (mode) =>
      mode === "overwrite"
        ? Effect.succeed(store.sink(path, { mode }))
        : Effect.map(
          widened(store, "sink", path, "write", "createIfAbsent"),
          (creating) => creating.sink(path, { mode })
        )),
    (sink) => Sink.mapError(Sink.map(sink, () => {}), toPlatformError("FileSystem", "sink", path))
  ))

const readDirectory =
  (store: Viewed) =>
  (path: string, { recursive = false }: FileSystem.ReadDirectoryOptions = {}): Result<Array<string>> =>
    Effect.gen(function*() {
      const keys = Stream.map(store.list(path, { recursive }), ({ key }) => below(path, key))
      const names = Chunk.toReadonlyArray(yield* wrap("readDirectory", path, Stream.runCollect(keys)))
      if (names.length > 0) return recursive ? withFolders(names) : [...names]
      const { type } = yield* statFile(store)(path)
      return type === "Directory" ? [] : yield* badArgument("FileSystem", "readDirectory", `${path} is a file`)
    })

const remove =
  (store: Viewed) =>
  (path: string, { force = false, recursive = false }: FileSystem.RemoveOptions = {}): Result<void> =>
    Effect.flatMap(wrap("remove", path, store.isFolder(path)), (isFolder) =>
      isFolder && recursive
        ? wrap("remove", path, store.deleteFolder(path, { recursive }))
        : wrap("remove", path, store.delete(path, { missingOk: force })))

/** Files one by one: who looks meanwhile sees some of them. */
const copy = (store: Viewed) =>
(
  from: string,
  to: string,
  { overwrite = false, preserveTimestamps = false }: FileSystem.CopyOptions = {}
): Result<void> =>
  Effect.gen(function*() {
    if (preserveTimestamps) return yield* unsupported("copy", from, "a store sets the times of its files itself")
    const mode = overwrite ? "overwrite" : "create"
    const copying = yield* widened(store, "copy", from, "copy", "createIfAbsent")
    if (!(yield* wrap("copy", from, store.isFolder(from)))) {
      return yield* wrap("copy", from, Effect.asVoid(copying.copy(from, to, { mode })))
    }
    const each = Stream.runForEach(
      store.list(from, { recursive: true }),
      ({ key }) => copying.copy(key, `${to}/${below(from, key)}`, { mode })
    )
    return yield* wrap("copy", from, each)
  })

const makeDirectory =
  (store: Viewed) => (path: string, { mode, recursive = false }: FileSystem.MakeDirectoryOptions = {}): Result<void> =>
    recursive && mode === undefined
      ? Effect.flatMap(
        wrap("makeDirectory", path, store.isFile(path)),
        (isFile) => isFile ? badArgument("FileSystem", "makeDirectory", `${path} is a file`) : Effect.void
      )
      : unsupported("makeDirectory", path, "a store has no empty folders and no permissions")

const makeTempFile =
  (store: Viewed) => ({ directory = "", prefix = "", suffix = "" }: FileSystem.MakeTempFileOptions = {}) =>
    Effect.flatMap(Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), (nonce) => {
      const path = `${directory}/${prefix}${nonce.toString(36)}${suffix}`
      return Effect.as(writeFile(store, "makeTempFile")(path, new Uint8Array(0), { flag: "wx" }), path)
    })

/** @internal */
export const viewFiles = (store: Viewed): FileSystem.FileSystem => {
  const stat = statFile(store)
  return {
    ...FileSystem.make({
      // What the view needs of a store is reading and writing: what is there can be both.
      access: (path) =>
        Effect.flatMap(
          wrap("access", path, store.exists(path)),
          (exists) => exists ? Effect.void : Effect.asVoid(wrap("access", path, store.stat(path)))
        ),
      chmod: refuse("chmod", "a store keeps no permissions"),
      chown: refuse("chown", "a store keeps no owners"),
      copy: copy(store),
      copyFile: (from, to) =>
        Effect.flatMap(
          widened(store, "copyFile", from, "copy"),
          (copying) => wrap("copyFile", from, Effect.asVoid(copying.copy(from, to, { mode: "overwrite" })))
        ),
      link: refuse("link", "a store has no links"),
      makeDirectory: makeDirectory(store),
      makeTempDirectory: () => unsupported("makeTempDirectory", "", "a store has no empty folders"),
      makeTempDirectoryScoped: () => unsupported("makeTempDirectoryScoped", "", "a store has no empty folders"),
      makeTempFile: makeTempFile(store),
      makeTempFileScoped: (options) =>
        Effect.acquireRelease(
          makeTempFile(store)(options),
          (path) => Effect.orDie(remove(store)(path, { force: true }))
        ),
      open: openFile(store),
      readDirectory: readDirectory(store),
      readFile: (path) => wrap("readFile", path, store.readBytes(path)),
      readLink: refuse("readLink", "a store has no links"),
      realPath: (path) =>
        Effect.zipRight(
          stat(path),
          Effect.map(wrap("realPath", path, store.resolve(path)), (resolution) => `/${resolution.path}`)
        ),
      remove: remove(store),
      rename: (from, to) =>
        Effect.flatMap(
          widened(store, "rename", from, "move"),
          (moving) => wrap("rename", from, Effect.asVoid(moving.move(from, to, { mode: "overwrite" })))
        ),
      stat,
      symlink: refuse("symlink", "a store has no links"),
      truncate: refuse("truncate", "a store writes whole files"),
      utimes: refuse("utimes", "a store sets the times of its files itself"),
      watch: (path) => Stream.fail(unsupported("watch", path, "a store tells of no changes")),
      writeFile: writeFile(store, "writeFile")
    }),
    stream: (path, options = {}) => streamFile(store, path, options),
    sink: sinkFile(store)
  }
}

const fileOf = ({ modifiedAt, size }: ObjectInfo): FileSystem.File.Info =>
  fileInfo("File", size, Option.some(DateTime.toDate(modifiedAt)))

/** The part of a file that is asked for, in pieces of at most `chunkSize`. */
const streamFile = (
  store: Viewed,
  path: string,
  { bytesToRead, chunkSize, offset }: FileSystem.StreamOptions
): Stream.Stream<Uint8Array, PlatformError.PlatformError> => {
  const failing = toPlatformError("FileSystem", "stream", path)
  const most = Number(chunkSize ?? 64 * 1024)
  const range = {
    offset: Number(offset ?? 0),
    ...(bytesToRead === undefined ? {} : { length: Number(bytesToRead) })
  }
  const bytes = range.offset === 0 && bytesToRead === undefined
    ? store.read(path)
    : Stream.unwrap(Effect.map(store.require("read", "range"), (ranged) => ranged.read(path, { range })))
  return bytes.pipe(
    Stream.mapConcat((piece) =>
      piece.length <= most
        ? [piece]
        : Array.from({ length: Math.ceil(piece.length / most) }, (_, i) => piece.subarray(i * most, (i + 1) * most))
    ),
    Stream.mapError(failing)
  )
}

/** A key of the store below a path as the caller wrote it. */
const below = (path: string, key: string): string => {
  const depth = path.split(/[\\/]/).filter((segment) => segment !== "" && segment !== ".").length
  return key.split("/").slice(depth).join("/")
}

/** With the folders that files are in, each before what is in it. */
const withFolders = (names: ReadonlyArray<string>): Array<string> => {
  const all = new Set<string>()
  for (const name of names) {
    for (let slash = name.indexOf("/"); slash !== -1; slash = name.indexOf("/", slash + 1)) {
      all.add(name.slice(0, slash))
    }
    all.add(name)
  }
  return [...all]
}
