// @effect-diagnostics nodeBuiltinImport:off -- a proxy for tests, between real sockets
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import * as Net from "node:net"
import type { FaultPlan } from "./faultPlan.ts"

/**
 * - `port`: of the server behind, on 127.0.0.1
 * - `plan`: what happens to each connection (0 is the first), or to every one
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultProxyOptions {
  readonly port: number
  readonly plan: FaultPlan | ((connection: number) => FaultPlan)
}

/**
 * Connections since the start, open now, and those that were truncated, reset and stalled; bytes that passed.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultProxyStats {
  readonly connections: number
  readonly open: number
  readonly truncated: number
  readonly reset: number
  readonly stalled: number
  readonly bytesToServer: number
  readonly bytesToClient: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FaultProxy {
  readonly port: number
  /** Without a slash at the end. */
  readonly url: string
  readonly stats: Effect.Effect<FaultProxyStats>
}

/** The next bytes of a paused socket, undefined after its end. */
const next = (socket: Net.Socket): Effect.Effect<Buffer | undefined> =>
  Effect.async((resume) => {
    const finish = (bytes: Buffer | undefined) => {
      socket.off("readable", look).off("end", look).off("close", look)
      resume(Effect.succeed(bytes))
    }
    const look = () => {
      const bytes: unknown = socket.read()
      if (Buffer.isBuffer(bytes)) finish(bytes)
      else if (socket.readableEnded || socket.destroyed) finish(undefined)
    }
    socket.on("readable", look).on("end", look).on("close", look)
    look()
    return Effect.sync(() => {
      socket.off("readable", look).off("end", look).off("close", look)
    })
  })

const write = (socket: Net.Socket, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (socket.destroyed) resume(Effect.void)
    else socket.write(bytes, () => resume(Effect.void))
  })

const closed = (socket: Net.Socket): Effect.Effect<void> =>
  Effect.async((resume) => {
    const done = () => resume(Effect.void)
    if (socket.destroyed) done()
    else socket.once("close", done)
    return Effect.sync(() => {
      socket.off("close", done)
    })
  })

type Counters = { -readonly [Name in keyof FaultProxyStats]: number }

/** Pass the bytes of one direction as a plan says. */
const pass = (
  from: Net.Socket,
  to: Net.Socket,
  plan: FaultPlan,
  random: PCGRandom,
  onPassed: (size: number) => void
): Effect.Effect<"ended" | "cut"> =>
  Effect.gen(function*() {
    const started = yield* Clock.currentTimeMillis
    const left = { bytes: plan.end === undefined ? Number.POSITIVE_INFINITY : plan.end.after }
    let passed = 0
    for (let bytes = yield* next(from); bytes !== undefined; bytes = yield* next(from)) {
      for (let at = 0; at < bytes.length;) {
        if (left.bytes === 0) return "cut"
        const largest = plan.split === undefined ? bytes.length : 1 + random.integer(plan.split)
        const piece = bytes.subarray(at, at + Math.min(largest, left.bytes))
        at += piece.length
        passed += piece.length
        left.bytes -= piece.length
        if (plan.delay !== undefined) yield* Effect.sleep(plan.delay)
        if (plan.throttle !== undefined) {
          const due = started + passed / plan.throttle * 1000
          yield* Effect.sleep(Duration.millis(Math.max(0, due - (yield* Clock.currentTimeMillis))))
        }
        yield* write(to, piece)
        onPassed(piece.length)
      }
    }
    return "ended"
  })

const serve = (
  client: Net.Socket,
  server: Net.Socket,
  plan: FaultPlan,
  connection: number,
  counters: Counters
): Effect.Effect<void> => {
  const { end, throttle: _, ...upward } = plan
  const up = pass(client, server, upward, new PCGRandom(connection, 1), (size) => {
    counters.bytesToServer += size
  })
  const down = pass(server, client, plan, new PCGRandom(connection, 2), (size) => {
    counters.bytesToClient += size
  }).pipe(Effect.flatMap((how) => {
    if (how === "ended" || end === undefined) {
      client.end()
      return closed(client)
    }
    switch (end.kind) {
      case "truncate":
        counters.truncated++
        client.end()
        return closed(client)
      case "reset":
        counters.reset++
        return Effect.sync(() => client.resetAndDestroy())
      case "stall":
        counters.stalled++
        return closed(client)
    }
  }))
  // the end of the client's side is the end of the connection
  return Effect.raceFirst(up, down).pipe(
    Effect.raceFirst(closed(client)),
    Effect.ensuring(Effect.sync(() => {
      client.destroy()
      server.destroy()
    }))
  )
}

/**
 * A TCP proxy on a free port of 127.0.0.1 that makes trouble on the way to any server: delays, pieces, narrow bandwidth,
 * connections that end early, are reset, or stand still. Time is Effect's `Clock`, so a `TestClock` moves it. A client
 * that ends its side of a connection ends the connection.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@sennit/http-client"
 * import { faultProxy } from "@sennit/http-client/testing"
 * import * as Effect from "effect/Effect"
 *
 * const throughTrouble = Effect.scoped(Effect.gen(function*() {
 *   const proxy = yield* faultProxy({ port: 8080, plan: { split: 3, end: { kind: "reset", after: 100 } } })
 *   return yield* Effect.flip(Effect.flatMap(HttpClient.get(proxy.url), (response) => response.text))
 * }))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: FaultProxyOptions): Effect.Effect<FaultProxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { plan } = options
    const planOf = typeof plan === "function" ? plan : () => plan
    const counters: Counters = {
      connections: 0,
      open: 0,
      truncated: 0,
      reset: 0,
      stalled: 0,
      bytesToServer: 0,
      bytesToClient: 0
    }
    const listener = yield* Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const made = Net.createServer({ allowHalfOpen: true, pauseOnConnect: true })
        made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
      }),
      (made) =>
        Effect.async<void>((resume) => {
          made.close(() => resume(Effect.void))
        })
    )
    // closed before the listener, which waits for its connections
    const fork = yield* FiberSet.makeRuntime<never>()
    const accept = (client: Net.Socket) => {
      const connection = counters.connections++
      counters.open++
      const server = Net.connect({ host: "127.0.0.1", port: options.port, noDelay: true })
      client.setNoDelay(true)
      // a failed connection to the server, or its reset, is a reset for the client
      server.on("error", () => client.resetAndDestroy())
      client.on("error", () => client.destroy())
      client.on("close", () => {
        counters.open--
        server.destroy()
      })
      fork(serve(client, server, planOf(connection), connection, counters))
    }
    listener.on("connection", accept)
    const address = listener.address()
    const port = address !== null && typeof address === "object" ? address.port : 0
    return { port, url: `http://127.0.0.1:${port}`, stats: Effect.sync(() => ({ ...counters })) }
  })
