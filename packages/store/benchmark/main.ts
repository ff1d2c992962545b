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

const objects = 2000
const inFlight = 16
const keys = Array.from({ length: objects }, (_, i) => `object-${i}`)
const kibibyte = new Uint8Array(1024).fill(7)
const large = 256 * 2 ** 20

/** A folder in memory where there is one: the point is our code, not the disk. */
const makeFolder = () =>
  FsPromises.mkdtemp(Path.join(Fs.existsSync("/dev/shm") ? "/dev/shm" : Os.tmpdir(), "sennit-bench-"))

const timed = async (work: () => Promise<void>, valueOf: (seconds: number) => number): Promise<Sample> => {
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
  const ours = () => {
    let length = 0
    return timed(async () => {
      await Effect.runPromise(Stream.runForEach(store.read("large"), (bytes) =>
        Effect.sync(() => {
          length += bytes.length
        })))
      requireThat(length === large, "stream")
    }, perSecond(large / 1e6))
  }
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
      peer: () => {
        let length = 0
        const sink = new Writable({
          write: (bytes: Uint8Array, _, done) => {
            length += bytes.length
            done()
          }
        })
        return timed(async () => {
          await pipeline(Fs.createReadStream(file, { highWaterMark: 256 * 1024 }), sink)
          requireThat(length === large, "stream")
        }, perSecond(large / 1e6))
      },
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
      peer: () => {
        let length = 0
        return timed(async () => {
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
        }, perSecond(large / 1e6))
      },
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
  peerName: "budget of 8 µs",
  better: "lower",
  target: 1,
  open: async () => {
    const store = Effect.runSync(Memory.make())
    for (const key of keys) Effect.runSync(store.write(key, kibibyte))
    const rounds = 10
    const once = Effect.forEach(
      keys,
      (key) => Effect.map(store.readBytes(key), ({ length }) => requireThat(length === 1024, "get")),
      { discard: true }
    )
    return {
      ours: () =>
        timed(
          () => Effect.runPromise(Effect.replicateEffect(once, rounds, { discard: true })),
          (seconds) => seconds * 1e6 / objects / rounds
        ),
      peer: () => Promise.resolve({ value: 8, cpuMs: 0 }),
      close: () => Promise.resolve()
    }
  }
}

const workloads: ReadonlyArray<Workload> = [putAtomic, putFlydrive, get, streamNode, streamPlatform, memoryGet]

export default workloads
