// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off the peers are node and promises
/** Workloads of the local driver, in a folder in memory where there is one: the point is our code, not the disk. */
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { Local } from "@sennit/store"
import { Effect, Exit, Layer, ManagedRuntime, Scope, Stream } from "effect"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as FsPromises from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { Readable, Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { peers } from "./localPeers.ts"
import { inFlight, inLanes, kibibyte, perSecond, requireThat, timed } from "./workload.ts"
import type { Workload } from "./workload.ts"

const objects = 10_000
const keys = Array.from({ length: objects }, (_, i) => `object-${i}`)
const large = 256 * 2 ** 20
const pieceBytes = 256 * 1024

const openLocal = async () => {
  const top = Fs.existsSync("/dev/shm") ? "/dev/shm" : Os.tmpdir()
  const folder = await FsPromises.mkdtemp(Path.join(top, "sennit-bench-"))
  const scope = Effect.runSync(Scope.make())
  const ours = Path.join(folder, "ours")
  const store = await Effect.runPromise(Scope.extend(Local.make({ root: ours }), scope))
  const theirs = Path.join(folder, "theirs")
  await FsPromises.mkdir(theirs)
  const close = async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await FsPromises.rm(folder, { recursive: true })
  }
  return { store, ours, theirs, close }
}

const check = (length: number): void => requireThat(length === 1024, "the length of an object")

const eachOfOurs = <E>(work: (key: string) => Effect.Effect<void, E>) => () =>
  timed(
    () => Effect.runPromise(Effect.forEach(keys, work, { concurrency: inFlight, discard: true })),
    perSecond(objects)
  )

const eachOfTheirs = (work: (key: string) => Promise<void>) => () =>
  timed(() => inLanes(keys, work), perSecond(objects))

const oursPut = (store: Effect.Effect.Success<ReturnType<typeof Local.make>>) =>
  eachOfOurs((key) => Effect.map(store.write(key, kibibyte, { mode: "overwrite" }), ({ size }) => check(size)))

const put: Workload = {
  id: "local.put.1k",
  unit: "put/s",
  peerName: "node:fs temp + rename",
  better: "higher",
  target: 0.75,
  open: async () => {
    const { close, store, theirs } = await openLocal()
    return {
      ours: oursPut(store),
      peer: eachOfTheirs(async (key) => {
        const temp = Path.join(theirs, `.${randomUUID()}`)
        await FsPromises.writeFile(temp, kibibyte)
        await FsPromises.rename(temp, Path.join(theirs, key))
      }),
      close
    }
  }
}

const peerPuts = peers.map(({ id, name, open, target }): Workload => ({
  id: `local.put.1k.peers.${id}`,
  unit: "put/s",
  peerName: name,
  better: "higher",
  target,
  open: async () => {
    const { close, store, theirs } = await openLocal()
    const peer = await open(theirs)
    await peer.put("object-7", kibibyte)
    check(await peer.sizeOf("object-7"))
    return { ours: oursPut(store), peer: eachOfTheirs((key) => peer.put(key, kibibyte)), close }
  }
}))

/** Both sides look at the same files. */
const openShared = async () => {
  const { close, ours, store } = await openLocal()
  for (const key of keys) Fs.writeFileSync(Path.join(ours, key), kibibyte)
  return { close, store, folder: ours }
}

const get: Workload = {
  id: "local.get.1k",
  unit: "get/s",
  peerName: "node:fs readFile",
  better: "higher",
  target: 0.75,
  open: async () => {
    const { close, folder, store } = await openShared()
    return {
      ours: eachOfOurs((key) => Effect.map(store.readBytes(key), ({ length }) => check(length))),
      peer: eachOfTheirs(async (key) => check((await FsPromises.readFile(Path.join(folder, key))).length)),
      close
    }
  }
}

const stat: Workload = {
  id: "local.stat",
  unit: "stat/s",
  peerName: "node:fs stat",
  better: "higher",
  target: 0.6,
  open: async () => {
    const { close, folder, store } = await openShared()
    return {
      ours: eachOfOurs((key) => Effect.map(store.stat(key), ({ size }) => check(size))),
      peer: eachOfTheirs(async (key) => check((await FsPromises.stat(Path.join(folder, key))).size)),
      close
    }
  }
}

const exists: Workload = {
  id: "local.exists",
  unit: "exists/s",
  peerName: "node:fs access",
  better: "higher",
  target: 0.6,
  open: async () => {
    const { close, folder, store } = await openShared()
    return {
      ours: eachOfOurs((key) => Effect.map(store.exists(key), (there) => requireThat(there, "exists"))),
      peer: eachOfTheirs((key) => FsPromises.access(Path.join(folder, key))),
      close
    }
  }
}

const list: Workload = {
  id: "local.list.10k",
  unit: "list/s",
  peerName: "node:fs readdir + stat, 32 in flight",
  better: "higher",
  target: 1,
  open: async () => {
    const { close, folder, store } = await openShared()
    return {
      ours: () =>
        timed(async () => {
          const sizes = await Effect.runPromise(
            Stream.runFold(store.list(""), 0, (sum, entry) => sum + (entry._tag === "Object" ? entry.size : 0))
          )
          requireThat(sizes === objects * 1024, "list")
        }, perSecond(1)),
      peer: () =>
        timed(async () => {
          let sizes = 0
          const names = (await FsPromises.readdir(folder)).values()
          const lane = async () => {
            for (const name of names) {
              const { size } = await FsPromises.stat(Path.join(folder, name))
              sizes += size
            }
          }
          await Promise.all(Array.from({ length: 32 }, lane))
          requireThat(sizes === objects * 1024, "list")
        }, perSecond(1)),
      close
    }
  }
}

const piece = new Uint8Array(pieceBytes).fill(5)
const megabytes = perSecond(large / 1e6)

function* pieces() {
  for (let sent = 0; sent < large; sent += pieceBytes) yield piece
}

const streamPut: Workload = {
  id: "local.stream.put",
  unit: "MB/s",
  peerName: "node:fs createWriteStream, pipeline, rename",
  better: "higher",
  target: 0.8,
  open: async () => {
    const { close, store, theirs } = await openLocal()
    const body = Stream.fromIterable({ [Symbol.iterator]: pieces }).pipe(Stream.rechunk(1))
    return {
      ours: () =>
        timed(async () => {
          const { size } = await Effect.runPromise(store.write("large", body, { mode: "overwrite" }))
          requireThat(size === large, "what was put")
        }, megabytes),
      peer: () =>
        timed(async () => {
          const temp = Path.join(theirs, "temp")
          await pipeline(Readable.from(pieces()), Fs.createWriteStream(temp))
          await FsPromises.rename(temp, Path.join(theirs, "large"))
          requireThat(Fs.statSync(Path.join(theirs, "large")).size === large, "what was put")
        }, megabytes),
      close
    }
  }
}

const counter = () => {
  let length = 0
  return {
    add: (bytes: Uint8Array) => {
      length += bytes.length
    },
    check: () => requireThat(length === large, "what was read")
  }
}

const pipeInto = async (stream: NodeJS.ReadableStream): Promise<void> => {
  const counted = counter()
  const sink = new Writable({
    write: (bytes: Uint8Array, _, done) => {
      counted.add(bytes)
      done()
    }
  })
  await pipeline(stream, sink)
  counted.check()
}

const runInto = <E>(stream: Stream.Stream<Uint8Array, E>): Effect.Effect<void, E> =>
  Effect.suspend(() => {
    const counted = counter()
    return Effect.map(Stream.runForEach(stream, (bytes) => Effect.sync(() => counted.add(bytes))), counted.check)
  })

/** A get of 256 MiB beside that of a peer, which is given the path of the same file. */
const streamGet = (
  row: Pick<Workload, "id" | "peerName" | "target">,
  openPeer: (file: string) => Promise<() => Promise<void>>
): Workload => ({
  ...row,
  unit: "MB/s",
  better: "higher",
  open: async () => {
    const { close, ours, store } = await openLocal()
    const file = Path.join(ours, "large")
    await pipeline(Readable.from(pieces()), Fs.createWriteStream(file))
    const read = await openPeer(file)
    return {
      ours: () => timed(() => Effect.runPromise(runInto(store.read("large"))), megabytes),
      peer: () => timed(read, megabytes),
      close
    }
  }
})

interface OpendalReader {
  readonly createReadStream: () => NodeJS.ReadableStream
}

const openOpendal = async (file: string) => {
  const name: string = "opendal"
  const { Operator }: {
    readonly Operator: new(scheme: string, options: object) => {
      readonly reader: (path: string) => Promise<OpendalReader>
    }
  } = await import(name)
  const operator = new Operator("fs", { root: Path.dirname(file) })
  return async () => pipeInto((await operator.reader(Path.basename(file))).createReadStream())
}

const openPlatform = (file: string) => {
  const runtime = ManagedRuntime.make(Layer.provideMerge(Layer.empty, NodeFileSystem.layer))
  return Promise.resolve(() =>
    runtime.runPromise(Effect.flatMap(FileSystem.FileSystem, (fs) => runInto(fs.stream(file))))
  )
}

/** The rows of the local driver. */
export const localWorkloads: ReadonlyArray<Workload> = [
  put,
  ...peerPuts,
  get,
  stat,
  exists,
  list,
  streamPut,
  streamGet(
    { id: "local.stream.get", peerName: "node:fs createReadStream, pipeline", target: 0.8 },
    (file) => Promise.resolve(() => pipeInto(Fs.createReadStream(file, { highWaterMark: pieceBytes })))
  ),
  streamGet({ id: "local.stream.get.opendal", peerName: "opendal 0.49.1", target: 4 }, openOpendal),
  streamGet(
    { id: "local.stream.get.opendal.platform", peerName: "@effect/platform-node FileSystem", target: 4 },
    openPlatform
  )
]
