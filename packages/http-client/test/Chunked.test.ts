import { describe, expect, it } from "@effect/vitest"
import { Chunked } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { once } from "node:events"
import { createServer } from "node:http"
import type { IncomingMessage } from "node:http"
import * as Net from "node:net"

const decode = (bytes: Uint8Array, size: number) => {
  const body: Array<Uint8Array> = []
  let trailers: unknown
  const decoder = new Chunked.ChunkedDecoder({
    onBody: (piece) => body.push(new Uint8Array(piece)),
    onEnd: (fields) => {
      trailers = fields
    }
  })
  let failure = undefined as ReturnType<typeof decoder.push>
  for (let at = 0; at < bytes.length; at += size) failure ??= decoder.push(bytes.subarray(at, at + size))
  failure ??= decoder.finish()
  return { body: Buffer.concat(body).toString("latin1"), trailers, failure, excess: decoder.excess }
}
const encode = (pieces: ReadonlyArray<Uint8Array>, trailers: ReadonlyArray<readonly [string, string]> = []) =>
  Buffer.concat([
    ...pieces.flatMap((piece) =>
      piece.length === 0
        ? []
        : [Buffer.from(Chunked.encodeChunkSize(piece.length)), piece, Buffer.from("\r\n")]
    ),
    Buffer.from(String(Chunked.encodeLastChunk(trailers)), "latin1")
  ])

const read = async (request: IncomingMessage) => {
  const body = Buffer.concat(await request.toArray()).toString()
  return [body, request.trailers]
}

describe("the chunked coding", () => {
  it.effect.prop(
    "what is written is read, however it is divided",
    { pieces: FastCheck.array(FastCheck.uint8Array({ maxLength: 50 })), size: FastCheck.integer({ min: 1, max: 30 }) },
    ({ pieces, size }) =>
      Effect.sync(() => {
        expect(decode(encode(pieces, [["x-sum", "1"]]), size)).toEqual({
          body: Buffer.concat(pieces).toString("latin1"),
          trailers: [["x-sum", "1"]],
          failure: undefined,
          excess: 0
        })
      })
  )

  it("node reads what is written", async () => {
    const bodies: Array<Promise<unknown>> = []
    const server = createServer((request, response) => {
      bodies.push(read(request).finally(() => response.end()))
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    const socket = Net.connect(typeof address === "object" ? address?.port ?? 0 : 0, "127.0.0.1")
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
    socket.write(encode([Buffer.from("hello "), Buffer.from("world")], [["x-a", "1"]]))
    socket.resume()
    await once(socket, "close")
    expect(await Promise.all(bodies)).toEqual([["hello world", { "x-a": "1" }]])
    server.close()
  })

  it("reads the example of RFC 9112 §7.1, with an extension; offsets count from the body", () => {
    const wiki = Buffer.from("4;a=\"b\"\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\n\r\nmore")
    expect(decode(wiki, 1000)).toMatchObject({ body: "Wikipedia in \r\n\r\nchunks.", failure: undefined, excess: 4 })
    expect(decode(Buffer.from("x"), 1).failure).toMatchObject({ reason: "ChunkSize", offset: 0 })
    expect(decode(Buffer.from("1\r\nab\r\n"), 1).failure).toMatchObject({ reason: "ChunkEnd", offset: 4 })
    expect(decode(Buffer.from("1\r\na"), 1).failure).toMatchObject({ reason: "TruncatedBody", offset: 4 })
  })

  it("trailers cannot frame a message or end a line", () => {
    expect(Chunked.encodeLastChunk([["Content-Length", "1"]])).toMatchObject({ reason: "HeaderName" })
    expect(Chunked.encodeLastChunk([["a b", "1"]])).toMatchObject({ reason: "HeaderName" })
    expect(Chunked.encodeLastChunk([["a", "1\r\nb: 2"]])).toMatchObject({ reason: "HeaderValue" })
    expect(Chunked.encodeLastChunk([])).toBe(Chunked.lastChunk)
  })
})
