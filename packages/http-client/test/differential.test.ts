// @effect-diagnostics nodeBuiltinImport:off -- node's own parser and llhttp are the oracles
import { describe, expect, it } from "@effect/vitest"
import { Http1 } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Random from "effect/Random"
import * as Http from "node:http"
import * as Net from "node:net"
import { compareMany } from "./fuzz/compareResponses.ts"
import { loadLlhttp } from "./fuzz/llhttp.ts"

type Reading = { readonly status: number; readonly body: string } | "refused"

/** A server that answers whatever is in `answer`, then closes. */
const answering = Effect.acquireRelease(
  Effect.async<{ readonly port: number; readonly server: Net.Server; answer: Uint8Array }>((resume) => {
    const server = Net.createServer((socket) => {
      socket.on("error", () => socket.destroy())
      socket.once("data", () => socket.end(made.answer))
    })
    const made = { port: 0, server, answer: new Uint8Array(0) }
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      made.port = address !== null && typeof address === "object" ? address.port : 0
      resume(Effect.succeed(made))
    })
  }),
  ({ server }) =>
    Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
    })
)

/** What node:http (llhttp, strict) makes of the answer to a GET. */
const nodeReads = (port: number): Effect.Effect<Reading> =>
  Effect.async((resume) => {
    const request = Http.request({ host: "127.0.0.1", port, agent: false })
    const refuse = () => {
      request.destroy()
      resume(Effect.succeed("refused"))
    }
    request.on("error", refuse)
    request.on("upgrade", refuse)
    request.on("response", (response) => {
      let body = ""
      response.on("data", (piece: Buffer) => {
        body += piece.toString("latin1")
      })
      response.on("error", refuse)
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, body })))
    })
    request.end()
  })

/** What we make of it, and how many bytes belong to the response. */
const weRead = (bytes: Uint8Array): readonly [Reading, size: number] => {
  let status = 0
  let body = ""
  const parser = new Http1.ResponseReader({
    onHead: (head) => {
      status = head.status
    },
    onBody: (piece) => {
      body += Buffer.from(piece).toString("latin1")
    },
    onEnd: () => undefined
  })
  parser.start("GET")
  const failure = parser.push(bytes) ?? parser.finish()
  return failure === undefined ? [{ status, body }, bytes.length - parser.excess] : ["refused", 0]
}

const pieces = [
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.0 200 OK\r\n",
  "HTTP/1.1 204 No Content\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Content-Length: 5, 5\r\n",
  "Content-Length:5 \r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: Chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Connection: close\r\n",
  "A: b\r\n",
  "A:\r\n",
  " folded\r\n",
  "A : b\r\n",
  "A: \u00e9\r\n",
  "hello",
  "5\r\nhello\r\n",
  "5;a=b\r\nhello\r\n",
  "5 \r\nhello\r\n",
  "0\r\n\r\n",
  "0\r\nT: v\r\n\r\n",
  "0\r\n",
  "\n",
  "\r",
  "\0",
  "A",
  ":",
  "+5\r\n"
]

describe("beside node's own parser", () => {
  it.scoped.prop(
    "what we read, node reads alike: what it refuses, we refuse",
    [
      FastCheck.tuple(
        FastCheck.constantFrom("HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", ""),
        FastCheck.array(FastCheck.constantFrom(...pieces), { maxLength: 10 })
      ).map(([start, rest]) => Buffer.from(start + rest.join(""), "latin1")),
      FastCheck.option(FastCheck.tuple(FastCheck.nat(120), FastCheck.nat(255)))
    ],
    ([bytes, damage]) =>
      Effect.gen(function*() {
        if (damage !== null && damage[0] < bytes.length) bytes[damage[0]] = damage[1]
        const [ours, size] = weRead(bytes)
        const server = yield* answering
        // bytes after the response are no part of it; we close the connection because of them
        server.answer = bytes.subarray(0, size)
        // where we refuse, being stricter is allowed and there is nothing to compare
        const theirs = ours === "refused" ? "refused" : yield* nodeReads(server.port)
        expect(ours).toEqual(theirs)
      }),
    { fastCheck: { numRuns: 300 } }
  )
})

describe("beside llhttp", () => {
  it.effect("50 000 responses, whole and divided: what we read, it reads alike", () =>
    Effect.gen(function*() {
      const seed = yield* Random.nextIntBetween(1, 2 ** 31)
      const { details, tally } = compareMany(loadLlhttp(), seed, 50_000)
      expect(details, `seed ${seed}`).toEqual([])
      // most damaged inputs are refused by both; enough must be read by both, or nothing is compared
      expect(tally.accepted, `seed ${seed}`).toBeGreaterThan(10_000)
      expect(tally.refused, `seed ${seed}`).toBeGreaterThan(10_000)
    }))
})
