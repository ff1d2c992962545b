// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off newPromise:off globalTimers:off globalConsole:off the peer is node and promises
/** Workloads of the S3 driver, over @sennit/http-client, beside Amazon's own SDK; the server is a process of its own. */
import type { HttpClient } from "@effect/platform"
import { S3 } from "@sennit/store"
import { Effect, ManagedRuntime, Redacted, Stream } from "effect"
import type { Layer } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { inFlight, inLanes, kibibyte, measured, requireThat } from "./workload.ts"
import type { Workload } from "./workload.ts"

const mebibyte = 2 ** 20
const large = 512 * mebibyte
const partBytes = 8 * mebibyte
const concurrency = 4
const objects = 2000

const startServer = async () => {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", fileURLToPath(new URL("s3Server.ts", import.meta.url))],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  const [printed]: ReadonlyArray<unknown> = await once(child.stdout, "data")
  return {
    endpoint: `http://127.0.0.1:${String(printed).trim()}`,
    stop: async () => {
      child.kill()
      await once(child, "exit")
    }
  }
}

/** Siblings are not dependencies: the client is there because this is one workspace. */
const loadClient = async (): Promise<Layer.Layer<HttpClient.HttpClient>> => {
  const name: string = "@sennit/http-client"
  const loaded: { readonly HttpClient: { readonly layerPooled: () => Layer.Layer<HttpClient.HttpClient> } } =
    await import(name)
  return loaded.HttpClient.layerPooled()
}

interface SdkClient {
  readonly send: (command: object) => Promise<{
    readonly Body?: { readonly transformToByteArray: () => Promise<Uint8Array> }
    readonly ContentLength?: number
  }>
  readonly destroy: () => void
}

type Command = new(input: object) => object

interface Sdk {
  readonly S3Client: new(options: object) => SdkClient
  readonly GetObjectCommand: Command
  readonly HeadObjectCommand: Command
  readonly PutObjectCommand: Command
}

interface Storage {
  readonly Upload: new(options: object) => { readonly done: () => Promise<object> }
}

const openSides = async () => {
  const { endpoint, stop } = await startServer()
  const runtime = ManagedRuntime.make(await loadClient())
  const store = await runtime.runPromise(S3.make({
    endpoint,
    region: "us-east-1",
    bucket: "bucket",
    dialect: "rgw",
    partBytes,
    concurrency,
    credentials: { accessKeyId: "id", secretAccessKey: Redacted.make("secret") }
  }))
  const names: ReadonlyArray<string> = ["@aws-sdk/client-s3", "@aws-sdk/lib-storage"]
  const sdk: Sdk = await import(names[0] ?? "")
  const storage: Storage = await import(names[1] ?? "")
  const client = new sdk.S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "id", secretAccessKey: "secret" },
    // Its quickest: no checksums beside the signature of the payload, which both sides make over plain HTTP.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED"
  })
  return {
    store,
    runtime,
    sdk,
    storage,
    client,
    close: async () => {
      client.destroy()
      await runtime.dispose()
      await stop()
    }
  }
}

const keys = Array.from({ length: objects }, (_, i) => `object-${i}`)

const microsecondsEach = (_: number, cpuMs: number): number => cpuMs * 1000 / (2 * objects)

const small: Workload = {
  id: "s3.small.cpu",
  unit: "µs CPU/request",
  peerName: "@aws-sdk/client-s3 3.1169",
  better: "lower",
  target: 0.5,
  open: async () => {
    const { client, close, runtime, sdk, store } = await openSides()
    const both = (key: string) =>
      Effect.flatMap(
        Effect.zipRight(store.write(key, kibibyte, { mode: "overwrite" }), store.readBytes(key)),
        (bytes) => Effect.sync(() => requireThat(bytes.length === 1024 && bytes[9] === 7, "ours"))
      )
    return {
      ours: () =>
        measured(
          () => runtime.runPromise(Effect.forEach(keys, both, { concurrency: inFlight, discard: true })),
          microsecondsEach
        ),
      peer: () =>
        measured(() =>
          inLanes(keys, async (key) => {
            const place = { Bucket: "bucket", Key: key }
            await client.send(new sdk.PutObjectCommand({ ...place, Body: kibibyte }))
            const { Body } = await client.send(new sdk.GetObjectCommand(place))
            const bytes = await Body?.transformToByteArray()
            requireThat(bytes?.length === 1024 && bytes[9] === 7, "peer")
          }), microsecondsEach),
      close
    }
  }
}

const piece = new Uint8Array(256 * 1024).fill(9)

function* pieces() {
  for (let sent = 0; sent < large; sent += piece.length) yield piece
}

/** How far the process grows while work is done, in bytes. */
const growth = async (work: () => Promise<void>): Promise<number> => {
  const idle = process.memoryUsage.rss()
  let most = idle
  const timer = setInterval(() => most = Math.max(most, process.memoryUsage.rss()), 10)
  await work()
  clearInterval(timer)
  return most - idle
}

const megabytesPerSecond = (seconds: number): number => large / 1e6 / seconds

const multipart: Workload = {
  id: "s3.multipart.512m",
  unit: "MB/s",
  peerName: "@aws-sdk/lib-storage 3.1169",
  better: "higher",
  target: 1.5,
  open: async () => {
    const { client, close, runtime, sdk, storage, store } = await openSides()
    const body = Stream.fromIterable({ [Symbol.iterator]: pieces }).pipe(Stream.rechunk(1))
    return {
      ours: () =>
        measured(async () => {
          const grown = await growth(async () => {
            const written = await runtime.runPromise(store.write("large", body, { mode: "overwrite" }))
            requireThat(written.size === large, "ours")
          })
          requireThat((await runtime.runPromise(store.stat("large"))).size === large, "what the server got")
          requireThat(grown < 64 * mebibyte, `ours grew by ${Math.round(grown / mebibyte)} MiB`)
        }, megabytesPerSecond),
      peer: () =>
        measured(async () => {
          const params = { Bucket: "bucket", Key: "theirs", Body: Readable.from(pieces()) }
          await new storage.Upload({ client, params, partSize: partBytes, queueSize: concurrency }).done()
          const { ContentLength } = await client.send(new sdk.HeadObjectCommand({ Bucket: "bucket", Key: "theirs" }))
          requireThat(ContentLength === large, "what the server got")
        }, megabytesPerSecond),
      close
    }
  }
}

/** The rows of the S3 driver. */
export const s3Workloads: ReadonlyArray<Workload> = [small, multipart]
