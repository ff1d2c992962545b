// @effect-diagnostics nodeBuiltinImport:off -- starts the server in a process of its own
// @effect-diagnostics asyncFunction:off -- the harness and the peer speak promises
import type { HttpError } from "@sennit/http-client"
import { WebSocket } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Sample, Workload } from "./harness.ts"

interface Peer {
  readonly once: (event: "open", listener: () => void) => void
  readonly on: (event: "message", listener: (data: Buffer, binary: boolean) => void) => void
  readonly removeAllListeners: (event: "message") => void
  readonly send: (data: string) => void
  readonly close: () => void
}

type MakePeer = new(url: string, options: { readonly perMessageDeflate: boolean }) => Peer

const isModule = (u: unknown): u is { readonly WebSocket: MakePeer } =>
  typeof u === "object" && u !== null && "WebSocket" in u && typeof u.WebSocket === "function"

const loadPeer = async (): Promise<MakePeer> => {
  const name: string = "ws"
  const peer: unknown = await import(name)
  if (!isModule(peer)) throw new Error("ws has not the class that is measured")
  return peer.WebSocket
}

const startServer = async () => {
  const path = fileURLToPath(new URL("./webSocketServer.mjs", import.meta.url))
  const child = spawn(process.execPath, [path], { stdio: ["pipe", "pipe", "inherit"] })
  const [line]: Array<unknown> = await once(child.stdout, "data")
  return {
    url: `ws://127.0.0.1:${Number(String(line))}`,
    stop: async () => {
      const ended = once(child, "exit")
      child.stdin.end()
      await ended
    }
  }
}

const connections = 20

/** Different texts of one length, as real messages are. */
const textsOf = (size: number): ReadonlyArray<string> =>
  Array.from({ length: 16 }, (_, i) => i.toString(16).padEnd(size, "sennit "))

/** Runs `count` round trips over a connection, `depth` of them under way at a time. */
type Echo = (depth: number, count: number) => Effect.Effect<void, HttpError.HttpError>

type Reader = (
  socket: WebSocket.WebSocket,
  onMessage: (message: string | Uint8Array) => Effect.Effect<void, HttpError.HttpError>
) => Effect.Effect<void, HttpError.HttpError>

const byStream: Reader = (socket, onMessage) => Stream.runForEach(socket.messages, onMessage)
const byReceive: Reader = (socket, onMessage) => {
  const loop: Effect.Effect<void, HttpError.HttpError> = Effect.flatMap(
    socket.receive,
    (message) => Effect.zipRight(onMessage(message), loop)
  )
  return loop
}

/** One fiber reads and answers, as long as the connection lasts; an answer must be what was sent. */
const ourEcho = (
  socket: WebSocket.WebSocket,
  texts: ReadonlyArray<string>,
  read: Reader
): Effect.Effect<Echo, never, Scope.Scope> => {
  let sent = 0
  let received = 0
  let last = 0
  let done: ((result: Effect.Effect<void>) => void) | undefined
  const send = Effect.suspend(() => socket.send(texts[sent++ & 15] ?? ""))
  const onMessage = (message: string | Uint8Array) => {
    if (message !== texts[received++ & 15]) done?.(Effect.dieMessage("the answer is not what was sent"))
    if (sent < last) return send
    if (received === last) done?.(Effect.void)
    return Effect.void
  }
  const echo: Echo = (depth, count) =>
    Effect.async<void>((resume) => {
      done = resume
      last += count
    }).pipe(Effect.zipLeft(Effect.replicateEffect(send, depth, { discard: true }), { concurrent: true }))
  return Effect.as(Effect.forkScoped(read(socket, onMessage)), echo)
}

const peerEcho = (socket: Peer, texts: ReadonlyArray<string>, depth: number, count: number) =>
  new Promise<void>((resolve, reject) => {
    let sent = 0
    let received = 0
    const send = () => socket.send(texts[sent++ & 15] ?? "")
    socket.on("message", (data, binary) => {
      if (binary || data.toString() !== texts[received++ & 15]) reject(new Error("the answer is not what was sent"))
      if (sent < count) return send()
      if (received < count) return
      socket.removeAllListeners("message")
      resolve()
    })
    for (let i = 0; i < depth; i++) send()
  })

const measure = async (count: number, run: () => Promise<unknown>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await run()
  const seconds = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(cpu)
  return { value: count / seconds, cpuMs: (user + system) / 1000, operations: count }
}

const echo = (id: string, size: number, depth: number, read: Reader, target: number): Workload => ({
  id,
  unit: "round trips/s",
  peerName: "ws",
  better: "higher",
  target,
  open: async () => {
    const [server, MakeSocket] = [await startServer(), await loadPeer()]
    const texts = textsOf(size)
    const scope = Effect.runSync(Scope.make())
    const ours = await Effect.runPromise(
      Effect.forEach(
        Array.from({ length: connections }),
        () =>
          Effect.flatMap(
            WebSocket.connect(server.url, { perMessageDeflate: false }),
            (socket) => ourEcho(socket, texts, read)
          )
      ).pipe(Scope.extend(scope))
    )
    const peers = await Promise.all(Array.from({ length: connections }, async () => {
      const socket = new MakeSocket(server.url, { perMessageDeflate: false })
      await new Promise<void>((resolve) => socket.once("open", resolve))
      return socket
    }))
    const each = 2000 * Math.ceil(depth / 4)
    const total = each * connections
    return {
      ours: () =>
        measure(total, () =>
          Effect.runPromise(
            Effect.all(ours.map((run) => run(depth, each)), { concurrency: "unbounded", discard: true })
          )),
      peer: () => measure(total, () => Promise.all(peers.map((socket) => peerEcho(socket, texts, depth, each)))),
      close: async () => {
        await Effect.runPromise(Scope.close(scope, Exit.void))
        for (const socket of peers) socket.close()
        await server.stop()
      }
    }
  }
})

/** 20 connections. Ten messages are under way on each, read as a stream; `one`: one, received one by one. */
export const workloads: ReadonlyArray<Workload> = [
  echo("ws.echo.64", 64, 10, byStream, 1.1),
  echo("ws.echo.4096", 4096, 10, byStream, 1),
  echo("ws.echo.64.one", 64, 1, byReceive, 1),
  echo("ws.echo.4096.one", 4096, 1, byReceive, 1)
]
