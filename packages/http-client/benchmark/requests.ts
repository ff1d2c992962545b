// @effect-diagnostics nodeBuiltinImport:off globalFetch:off newPromise:off -- the peers, and the limit, are made of these
// @effect-diagnostics asyncFunction:off -- the harness and the peers speak promises
import { ConnectionPool, Http1, HttpClient } from "@sennit/http-client"
import type { HttpConfig } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Http from "node:http"
import * as Net from "node:net"
import { check, compare, share } from "./harness.ts"
import type { Server, Side, Workload } from "./harness.ts"
import * as Peers from "./peers.ts"
import type { UndiciDispatcher } from "./peers.ts"

const unit = "requests/s"

/** Our client in a loop of fibers, each response read as text. */
const effectLoop = (url: string, count: number, concurrency: number) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    let left = count
    const worker = Effect.gen(function*() {
      while (left-- > 0) {
        const response = yield* client.get(url)
        check(yield* response.text)
      }
    })
    yield* Effect.all(Array.from({ length: concurrency }, () => worker), { concurrency: "unbounded", discard: true })
  })

const ours = (url: string, concurrency: number, options: HttpConfig.PoolOptions = {}): Side => {
  const runtime = ManagedRuntime.make(HttpClient.layerPooled({ connectionsPerOrigin: concurrency, ...options }))
  return {
    run: (count) => runtime.runPromise(effectLoop(url, count, concurrency)),
    close: () => runtime.dispose()
  }
}

const undiciRequest = async (url: string, concurrency: number, dispatcher: UndiciDispatcher): Promise<Side> => {
  const { request } = await Peers.undici()
  return {
    run: (count) =>
      share(count, concurrency, async () => {
        const { body } = await request(url, { dispatcher })
        check(await body.text())
      }),
    close: () => dispatcher.close()
  }
}

const undiciAgent = async (connections: number): Promise<UndiciDispatcher> => {
  const { Agent } = await Peers.undici()
  return new Agent({ connections })
}

const request = (concurrency: number, target: number): Workload =>
  compare(
    { id: `h1.request.c${concurrency}`, unit, peerName: "undici.request", target, batch: 2000 },
    async ({ url }) => [
      ours(`${url}/`, concurrency),
      await undiciRequest(`${url}/`, concurrency, await undiciAgent(concurrency))
    ]
  )

const pipelined = compare(
  { id: "h1.request.pipe10", unit, peerName: "undici.request, pipelining 10", target: 2, batch: 5000 },
  async ({ url }) => {
    const { Client } = await Peers.undici()
    return [
      ours(`${url}/`, 10, { connectionsPerOrigin: 1, pipelining: 10 }),
      await undiciRequest(`${url}/`, 10, new Client(url, { pipelining: 10 }))
    ]
  }
)

const secure = compare(
  { id: "tls.request.c50", unit, peerName: "undici.request", target: 1.5, batch: 2000, rounds: 11 },
  async ({ ca, secureUrl }) => {
    const { Agent } = await Peers.undici()
    return [
      ours(`${secureUrl}/`, 50, { tls: { ca } }),
      await undiciRequest(`${secureUrl}/`, 50, new Agent({ connections: 50, connect: { ca } }))
    ]
  },
  { tls: true }
)

// ---------------------------------------------------------------------------------------------------------- callbacks

const sizeOfText = 13

/** `start` begins one request and calls `done` with the bytes of its body. */
const callbacks = (concurrency: number, start: (done: (size: number | Error) => void) => void) => (count: number) =>
  new Promise<void>((resolve, reject) => {
    let left = count
    let open = concurrency
    const next = () => {
      if (left-- <= 0) {
        if (--open === 0) resolve()
        return
      }
      start((size) => {
        if (size === sizeOfText) next()
        else reject(size instanceof Error ? size : new Error("the response is not what the server sent"))
      })
    }
    for (let i = 0; i < concurrency; i++) next()
  })

const ourDispatch = async ({ url }: Server, concurrency: number): Promise<Side> => {
  const runtime = ManagedRuntime.make(ConnectionPool.layer({ connectionsPerOrigin: concurrency }))
  const pool = await runtime.runPromise(ConnectionPool.ConnectionPool)
  const wanted = { origin: url, path: "/" }
  return {
    run: callbacks(concurrency, (done) => {
      let size = 0
      pool.unsafeDispatch(wanted, {
        onHead: () => {},
        onBody: (view) => {
          size += view.length
        },
        onEnd: () => done(size),
        onError: done
      })
    }),
    close: () => runtime.dispose()
  }
}

const undiciDispatch = async ({ url }: Server, concurrency: number): Promise<Side> => {
  const agent = await undiciAgent(concurrency)
  const wanted = { origin: url, path: "/", method: "GET" }
  return {
    run: callbacks(concurrency, (done) => {
      let size = 0
      agent.dispatch(wanted, {
        onRequestStart: () => {},
        onResponseStart: () => {},
        onResponseData: (_, chunk) => {
          size += chunk.length
        },
        onResponseEnd: () => done(size),
        onResponseError: (_, error) => done(error)
      })
    }),
    close: () => agent.close()
  }
}

const dispatch = compare(
  { id: "h1.dispatch.c50", unit, peerName: "undici.dispatch", target: 1.3, batch: 5000 },
  async (server) => [await ourDispatch(server, 50), await undiciDispatch(server, 50)]
)

/** As little as a client can do: sockets, our parser, no pool, no deadlines, no checks. */
const rawLoop = ({ url }: Server, concurrency: number): Side => {
  const port = Number(new URL(url).port)
  const head = `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`
  const sockets: Array<{ readonly ask: (done: (size: number | Error) => void) => void }> = []
  const idle: Array<(typeof sockets)[number]> = []
  const all: Array<Net.Socket> = []
  const connect = () => {
    let size = 0
    let finished: ((size: number | Error) => void) | undefined
    const parser = new Http1.ResponseReader({
      onHead: () => {},
      onBody: (view) => {
        size += view.length
      },
      onEnd: () => {
        idle.push(own)
        finished?.(size)
      }
    })
    const socket = Net.connect({
      host: "127.0.0.1",
      port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(65_536),
        callback: (count, buffer) => {
          parser.push(buffer, count)
          return true
        }
      }
    })
    const own = {
      ask: (done: (size: number | Error) => void) => {
        size = 0
        finished = done
        parser.start("GET")
        socket.write(head, "latin1")
      }
    }
    all.push(socket)
    sockets.push(own)
    return own
  }
  for (let i = 0; i < concurrency; i++) idle.push(connect())
  return {
    run: callbacks(concurrency, (done) => idle.pop()?.ask(done)),
    close: async () => {
      for (const socket of all) socket.destroy()
    }
  }
}

const limit = compare(
  { id: "limit.c50", unit, peerName: "the raw loop over net", target: 0.6, batch: 5000, rounds: 11 },
  async (server) => [ours(`${server.url}/`, 50), rawLoop(server, 50)]
)

// ------------------------------------------------------------------------------------------------------- other peers

const against = (id: string, peerName: string, target: number, peer: (url: string) => Promise<Side>): Workload =>
  compare({ id, unit, peerName, target, batch: 500 }, async ({ url }) => [ours(`${url}/`, 50), await peer(`${url}/`)])

const promised = (get: (url: string) => Promise<string>, close = async () => {}) => (url: string): Side => ({
  run: (count) => share(count, 50, async () => check(await get(url))),
  close
})

const layerUndici = async (url: string): Promise<Side> => {
  const runtime = ManagedRuntime.make((await Peers.nodeClient()).layerUndici)
  return { run: (count) => runtime.runPromise(effectLoop(url, count, 50)), close: () => runtime.dispose() }
}

const keepAlive = () => {
  const agent = new Http.Agent({ keepAlive: true, maxSockets: 50 })
  return { agent, close: async () => agent.destroy() }
}

const gotPeer = async (url: string): Promise<Side> => {
  const { got } = await Peers.got()
  const { agent, close } = keepAlive()
  const client = got.extend({ agent: { http: agent }, retry: { limit: 0 } })
  return promised((it) => client(it).text(), close)(url)
}

const axiosPeer = async (url: string): Promise<Side> => {
  const { default: axios } = await Peers.axios()
  const { agent, close } = keepAlive()
  const client = axios.create({ httpAgent: agent, responseType: "text" })
  return promised(async (it) => (await client.get(it)).data, close)(url)
}

export const workloads: ReadonlyArray<Workload> = [
  dispatch,
  request(1, 1.15),
  request(50, 1.15),
  request(100, 1.15),
  pipelined,
  against("h1.effect.c50", "NodeHttpClient.layerUndici", 5, layerUndici),
  against("h1.fetch.c50", "fetch", 6, async (url) => promised(async (it) => (await fetch(it)).text())(url)),
  against("h1.got.c50", "got", 6, gotPeer),
  against("h1.axios.c50", "axios", 6, axiosPeer),
  secure,
  limit
]
