// @effect-diagnostics nodeBuiltinImport:off a proxy between real sockets
/**
 * A proxy that makes trouble between a driver and its server.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

/**
 * What is done to one connection. Without any field its bytes pass as they are.
 *
 * @since 0.1.0
 * @category faults
 */
export interface FaultPlan {
  /** The length of the largest piece that passes at once, in both directions. */
  readonly split?: number
  /**
   * How it ends: when the bytes after the first `after` from that side come they do not pass. `close` ends it in order,
   * `reset` with RST, `stall` keeps it open and passes nothing more. `{ from: "server", after: 0 }` loses an answer.
   */
  readonly end?: {
    readonly from: "client" | "server"
    readonly after: number
    readonly kind: "close" | "reset" | "stall"
  }
}

/**
 * @since 0.1.0
 * @category faults
 */
export interface FaultProxy {
  readonly port: number
  /** How many connections there have been. */
  readonly connections: () => number
}

/**
 * Listens on a free port of 127.0.0.1 until the scope ends, and passes connections on to another port there. `plan` says
 * what is done to each; 0 is the first.
 *
 * @since 0.1.0
 * @category faults
 */
export const faultProxy = (options: {
  readonly port: number
  readonly plan: (connection: number) => FaultPlan
}): Effect.Effect<FaultProxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<Net.Socket>()
    let connections = 0
    const server = Net.createServer((client) => {
      const upstream = Net.connect(options.port, "127.0.0.1")
      for (const socket of [client, upstream]) {
        sockets.add(socket)
        socket.on("error", () => socket.destroy())
        socket.on("close", () => sockets.delete(socket))
      }
      join(client, upstream, options.plan(connections++))
    })
    const port = yield* Effect.acquireRelease(listen(server), () => close(server, sockets))
    return { port, connections: () => connections }
  })

const listen = (server: Net.Server): Effect.Effect<number> =>
  Effect.async((resume) => {
    server.on("error", (error) => resume(Effect.die(error)))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : 0))
    })
  })

const close = (server: Net.Server, sockets: ReadonlySet<Net.Socket>): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
    for (const socket of sockets) socket.destroy()
  })

const join = (client: Net.Socket, upstream: Net.Socket, { end, split }: FaultPlan): void => {
  const cut = (): void => {
    if (end?.kind === "close") client.end()
    if (end?.kind === "reset") client.resetAndDestroy()
    if (end?.kind === "stall") client.pause()
    upstream.destroy()
  }
  const pass = (from: Net.Socket, to: Net.Socket, limit: number): void => {
    let left = limit
    from.on("data", (bytes: Buffer) => {
      const passing = bytes.subarray(0, left)
      left -= passing.length
      const length = split ?? bytes.length
      for (let at = 0; at < passing.length; at += length) to.write(passing.subarray(at, at + length))
      if (passing.length < bytes.length) return cut()
      if (to.writableNeedDrain) {
        from.pause()
        to.once("drain", () => from.resume())
      }
    })
    from.on("end", () => to.end())
    from.on("close", () => end?.kind === "stall" && left === 0 ? undefined : to.destroy())
  }
  const limitOf = (side: "client" | "server") => end?.from === side ? end.after : Number.POSITIVE_INFINITY
  for (const socket of [client, upstream]) socket.setNoDelay(true)
  pass(client, upstream, limitOf("client"))
  pass(upstream, client, limitOf("server"))
}
