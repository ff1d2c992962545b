// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off the peers are node and promises
/** Workloads of @sennit/store; the harness interleaves the two sides and compares their medians. */
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { Local, Memory } from "@sennit/store"
import { Effect, Exit, Layer, ManagedRuntime, Scope, Stream } from "effect"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as FsPromises from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { performance } from "node:perf_hooks"
import { Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { workloads as callWorkloads } from "./calls.ts"
import { s3Workloads } from "./s3.ts"
import { workloads as sftpWorkloads } from "./sftp.ts"

export interface Workload {
  readonly id: string
  readonly unit: string
  readonly peerName: string
  readonly better: "lower" | "higher"
  readonly target: number
  readonly open: () => Promise<{
    readonly ours: () => Promise<Sample>
    readonly peer: () => Promise<Sample>
    readonly close: () => Promise<void>
  }>
}

export interface Sample {
  readonly value: number
  readonly cpuMs: number
}

const objects = 4000
const inFlight = 16
const keys = Array.from({ length: objects }, (_, i) => `object-${i}`)
const kibibyte = new Uint8Array(1024).fill(7)
const large = 256 * 2 ** 20

/** A folder in memory where there is one: the point is our code, not the disk. */
const makeFolder = () =>
  FsPromises.mkdtemp(Path.join(Fs.existsSync("/dev/shm") ? "/dev/shm" : Os.tmpdir(), "sennit-bench-"))

/**
 * Runs the work twice and measures the second time. The full collection before every round throws compiled code away
 * with the objects that it was compiled for; compared is how both sides do in a process that runs on.
 */
const timed = async (work: () => Promise<void>, valueOf: (seconds: number) => number): Promise<Sample> => {
  await work()
  const cpu = process.cpuUsage()
  const begin = performance.now()
  await work()
  const seconds = (performance.now() - begin) / 1000
  const { system, user } = process.cpuUsage(cpu)
  return { value: valueOf(seconds), cpuMs: (system + user) / 1000 }
}

const perSecond = (count: number) => (seconds: number) => count / seconds

const inLanes = async (work: (key: string) => Promise<void>): Promise<void> => {
  const queue = keys.values()
  const lane = async () => {
    for (const key of queue) await work(key)
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
}

const requireThat = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`wrong result: ${what}`)
}

const openLocal = async () => {
  const folder = await makeFolder()
  const scope = Effect.runSync(Scope.make())
  const store = await Effect.runPromise(Scope.extend(Local.make({ root: Path.join(folder, "ours") }), scope))
  const theirs = Path.join(folder, "theirs")
  await FsPromises.mkdir(theirs)
  const close = async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await FsPromises.rm(folder, { recursive: true })
  }
  return { store, theirs, close }
}

const check = (length: number): void => requireThat(length === 1024, "get")

const oursPut = (store: Effect.Effect.Success<ReturnType<typeof Local.make>>) => () =>
  timed(async () => {
    await Effect.runPromise(
      Effect.forEach(keys, (key) => store.write(key, kibibyte, { mode: "overwrite" }), {
        concurrency: inFlight,
        discard: true
      })
    )
    requireThat((await Effect.runPromise(store.readBytes("object-7"))).length === 1024, "put")
  }, perSecond(objects))

const putAtomic: Workload = {
  id: "put.1k.atomic",
  unit: "put/s",
  peerName: "node:fs temp + rename",
  better: "higher",
  target: 0.75,
  open: async () => {
    const { close, store, theirs } = await openLocal()
    const put = async (key: string) => {
      const temp = Path.join(theirs, `.${randomUUID()}`)
      await FsPromises.writeFile(temp, kibibyte)
      await FsPromises.rename(temp, Path.join(theirs, key))
    }
    return {
      ours: oursPut(store),
      peer: () =>
        timed(async () => {
          await inLanes(put)
          requireThat((await FsPromises.readFile(Path.join(theirs, "object-7"))).length === 1024, "put")
        }, perSecond(objects)),
      close
    }
  }
}

interface FlydriveDisk {
  readonly put: (key: string, contents: Uint8Array) => Promise<void>
  readonly getBytes: (key: string) => Promise<ArrayBuffer>
}

/** Flydrive is there only where the benchmark's own lock has been installed. */
const openFlydrive = async (location: string): Promise<FlydriveDisk> => {
  const [main, driver]: ReadonlyArray<string> = ["flydrive", "flydrive/drivers/fs"]
  const { Disk }: { readonly Disk: new(driver: object) => FlydriveDisk } = await import(main ?? "")
  const { FSDriver }: { readonly FSDriver: new(options: object) => object } = await import(driver ?? "")
  return new Disk(new FSDriver({ location, visibility: "private" }))
}

const putFlydrive: Workload = {
  id: "put.1k.flydrive",
  unit: "put/s",
  peerName: "flydrive 1.3.0",
  better: "higher",
  target: 1.3,
  open: async () => {
    const { close, store, theirs } = await openLocal()
    const disk = await openFlydrive(theirs)
    return {
      ours: oursPut(store),
      peer: () =>
        timed(async () => {
          await inLanes((key) => disk.put(key, kibibyte))
          requireThat((await disk.getBytes("object-7")).byteLength === 1024, "put")
        }, perSecond(objects)),
      close
    }
  }
}

const get: Workload = {
  id: "get.1k",
  unit: "get/s",
  peerName: "node:fs readFile",
  better: "higher",
  target: 0.75,
  open: async () => {
    const { close, store, theirs } = await openLocal()
    for (const key of keys) await FsPromises.writeFile(Path.join(theirs, key), kibibyte)
    await oursPut(store)()
    return {
      ours: () =>
        timed(() =>
          Effect.runPromise(
            Effect.forEach(keys, (key) => Effect.map(store.readBytes(key), ({ length }) => check(length)), {
              concurrency: inFlight,
              discard: true
            })
          ), perSecond(objects)),
      peer: () =>
        timed(
          () => inLanes(async (key) => check((await FsPromises.readFile(Path.join(theirs, key))).length)),
          perSecond(objects)
        ),
      close
    }
  }
}

const openLarge = async () => {
  const { close, store, theirs } = await openLocal()
  const part = new Uint8Array(2 ** 20).fill(5)
  const body = Stream.repeatValue(part).pipe(Stream.take(large / part.length))
  await Effect.runPromise(store.write("large", body))
  const file = Path.join(theirs, "large")
  await FsPromises.copyFile(Path.join(Path.dirname(theirs), "ours", "large"), file)
  const ours = () =>
    timed(async () => {
      let length = 0
      await Effect.runPromise(Stream.runForEach(store.read("large"), (bytes) =>
        Effect.sync(() => {
          length += bytes.length
        })))
      requireThat(length === large, "stream")
    }, perSecond(large / 1e6))
  return { file, ours, close }
}

const streamNode: Workload = {
  id: "stream.get.256m.node",
  unit: "MB/s",
  peerName: "node:fs createReadStream, pipeline",
  better: "higher",
  target: 0.8,
  open: async () => {
    const { close, file, ours } = await openLarge()
    return {
      ours,
      peer: () =>
        timed(async () => {
          let length = 0
          const sink = new Writable({
            write: (bytes: Uint8Array, _, done) => {
              length += bytes.length
              done()
            }
          })
          await pipeline(Fs.createReadStream(file, { highWaterMark: 256 * 1024 }), sink)
          requireThat(length === large, "stream")
        }, perSecond(large / 1e6)),
      close
    }
  }
}

const streamPlatform: Workload = {
  id: "stream.get.256m.platform",
  unit: "MB/s",
  peerName: "@effect/platform-node FileSystem",
  better: "higher",
  target: 4,
  open: async () => {
    const { close, file, ours } = await openLarge()
    const runtime = ManagedRuntime.make(Layer.provideMerge(Layer.empty, NodeFileSystem.layer))
    return {
      ours,
      peer: () =>
        timed(async () => {
          let length = 0
          await runtime.runPromise(
            Effect.flatMap(
              FileSystem.FileSystem,
              (fs) =>
                Stream.runForEach(fs.stream(file), (bytes) =>
                  Effect.sync(() => {
                    length += bytes.length
                  }))
            )
          )
          requireThat(length === large, "stream")
        }, perSecond(large / 1e6)),
      close: async () => {
        await runtime.dispose()
        await close()
      }
    }
  }
}

const memoryGet: Workload = {
  id: "memory.get.1k",
  unit: "µs/get",
  peerName: "a Map, Effect.sync and one span",
  better: "lower",
  target: 1,
  open: () => {
    const store = Effect.runSync(Memory.make())
    const map = new Map<string, Uint8Array>()
    for (const key of keys) {
      Effect.runSync(store.write(key, kibibyte))
      map.set(key, kibibyte.slice())
    }
    const fromMap = (key: string) =>
      Effect.withSpan(
        Effect.suspend(() => {
          const bytes = map.get(key)
          return bytes === undefined ? Effect.fail("absent") : Effect.succeed(bytes.slice())
        }),
        "get",
        { captureStackTrace: false }
      )
    const rounds = 5
    const run = <E>(read: (key: string) => Effect.Effect<Uint8Array, E>) => {
      const once = Effect.forEach(keys, (key) => Effect.map(read(key), ({ length }) => check(length)), {
        discard: true
      })
      return () =>
        timed(
          () => Effect.runPromise(Effect.replicateEffect(once, rounds, { discard: true })),
          (seconds) => seconds * 1e6 / keys.length / rounds
        )
    }
    return Promise.resolve({ ours: run(store.readBytes), peer: run(fromMap), close: () => Promise.resolve() })
  }
}

/** Files of others in a folder of ours: what the store and node look at is then the same. */
const openShared = async () => {
  const { close, store, theirs } = await openLocal()
  const folder = Path.join(Path.dirname(theirs), "ours")
  await oursPut(store)()
  return { close, store, folder }
}

const eachOfOurs = <E>(work: (key: string) => Effect.Effect<void, E>) => () =>
  timed(
    () => Effect.runPromise(Effect.forEach(keys, work, { concurrency: inFlight, discard: true })),
    perSecond(objects)
  )

const stat: Workload = {
  id: "stat",
  unit: "stat/s",
  peerName: "node:fs stat",
  better: "higher",
  target: 0.6,
  open: async () => {
    const { close, folder, store } = await openShared()
    return {
      ours: eachOfOurs((key) => Effect.map(store.stat(key), ({ size }) => check(size))),
      peer: () =>
        timed(
          () => inLanes(async (key) => check((await FsPromises.stat(Path.join(folder, key))).size)),
          perSecond(objects)
        ),
      close
    }
  }
}

const exists: Workload = {
  id: "exists",
  unit: "exists/s",
  peerName: "node:fs access",
  better: "higher",
  target: 0.6,
  open: async () => {
    const { close, folder, store } = await openShared()
    return {
      ours: eachOfOurs((key) => Effect.map(store.exists(key), (there) => requireThat(there, "exists"))),
      peer: () => timed(() => inLanes((key) => FsPromises.access(Path.join(folder, key))), perSecond(objects)),
      close
    }
  }
}

const listed = 10_000

const list: Workload = {
  id: "list.10k",
  unit: "ms",
  peerName: "node:fs readdir + stat, 32 in flight",
  better: "lower",
  target: 1,
  open: async () => {
    const { close, store, theirs } = await openLocal()
    const folder = Path.join(Path.dirname(theirs), "ours")
    for (let i = 0; i < listed; i++) Fs.writeFileSync(Path.join(folder, `object-${i}`), "x")
    return {
      ours: () =>
        timed(async () => {
          const sizes = await Effect.runPromise(
            Stream.runFold(store.list(""), 0, (sum, entry) => sum + (entry._tag === "Object" ? entry.size : 0))
          )
          requireThat(sizes === listed, "list")
        }, (seconds) => seconds * 1000),
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
          requireThat(sizes === listed, "list")
        }, (seconds) => seconds * 1000),
      close
    }
  }
}

const workloads: ReadonlyArray<Workload> = [
  putAtomic,
  putFlydrive,
  get,
  stat,
  exists,
  list,
  streamNode,
  streamPlatform,
  memoryGet,
  ...callWorkloads,
  ...s3Workloads,
  ...sftpWorkloads
]

export default workloads
