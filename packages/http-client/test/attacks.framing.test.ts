import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError } from "@sennit/http-client"
import type { RawConnection } from "@sennit/http-client/testing"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
const stats = Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)

/** The text of a response, or the name of the failure. */
const outcome = (request: HttpClientRequest.HttpClientRequest) =>
  HttpClient.execute(request).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (text) => `${response.status} ${text}`)),
    Effect.catchAll((error) =>
      Effect.succeed(Option.match(HttpError.fromClientError(error), {
        onNone: () => error.reason,
        onSome: (precise) => "reason" in precise ? `${precise._tag} ${precise.reason}` : precise._tag
      }))
    )
  )
const get = (url: string) => outcome(HttpClientRequest.get(url))

/** The first connection answers its first request with `attack`; everything else is answered as it should be. */
const attackOnce = (attack: string) => (connection: RawConnection) =>
  connection.index === 0
    ? connection.request.pipe(Effect.zipRight(connection.write(attack)), Effect.zipRight(connection.closed))
    : Effect.forever(Effect.zipRight(connection.request, connection.write(fine)))

describe("response framing attacks", () => {
  const ok = "HTTP/1.1 200 OK\r\n"
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`
  const attacks: ReadonlyArray<readonly [name: string, attack: string, method: HttpMethod, expected: string]> = [
    ["two lengths", `${ok}Content-Length: 4\r\nContent-Length: 0\r\n\r\nfine`, "GET", "ProtocolError ContentLength"],
    [
      "a length behind a no-break space",
      `${ok}Content-Length: \xa04\r\n\r\nevil`,
      "GET",
      "ProtocolError ContentLength"
    ],
    [
      "a length before a no-break space",
      `${ok}Content-Length: 4\xa0\r\n\r\nevil`,
      "GET",
      "ProtocolError ContentLength"
    ],
    [
      "chunked behind a no-break space",
      `${ok}Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n`,
      "GET",
      "ProtocolError TransferEncoding"
    ],
    [
      "chunked before a tab, which not everybody takes for chunked",
      `${ok}Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n`,
      "GET",
      "ProtocolError TransferEncoding"
    ],
    [
      "length and chunked",
      `${ok}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      "GET",
      "ProtocolError ConflictingFraming"
    ],
    ["a chunk size that overflows", `${chunked}fffffffffffffffff\r\n`, "GET", "ProtocolError ChunkSize"],
    ["extensions without end", `${chunked}1;${"a".repeat(5000)}`, "GET", "HeadersTooLarge"],
    ["a header without end", `${ok}A: ${"a".repeat(20_000)}`, "GET", "HeadersTooLarge"],
    ["trailers without end", `${chunked}0\r\n${"A: b\r\n".repeat(101)}`, "GET", "HeadersTooLarge"],
    [
      "a flood of informational responses",
      "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000),
      "GET",
      "ProtocolError InformationalFlood"
    ],
    ["a protocol that never ends its line", "\0\0\0\x04", "GET", "ProtocolError StatusLine"],
    ["a status line that never ends", `HTTP/1.1 200 ${"O".repeat(20_000)}`, "GET", "HeadersTooLarge"],
    ["HTTP/0.9", "<html>hello</html>\r\n\r\n", "GET", "ProtocolError StatusLine"]
  ]
  it.scoped.each(attacks)(
    "%s ends in a typed error, and reaches no other request",
    ([, attack, method, expected]) =>
      Effect.gen(function*() {
        const server = yield* rawServer(attackOnce(attack))
        expect(yield* outcome(HttpClientRequest.make(method)(server.url))).toBe(expected)
        expect(yield* stats).toMatchObject({ open: 0, busy: 0 })
        expect(yield* get(server.url)).toBe("200 fine")
        expect(yield* server.connections).toBe(2)
      }).pipe(Effect.provide(HttpClient.layerPooled()))
  )

  const bodies: ReadonlyArray<readonly [name: string, attack: string, method: HttpMethod, expected: string]> = [
    ["204", `HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n${fine}`, "GET", "204 "],
    ["304", `HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil`, "GET", "304 "],
    [
      "204 with chunks",
      "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
      "GET",
      "204 "
    ],
    ["HEAD", `${ok}Content-Length: 4\r\n\r\nevil`, "HEAD", "200 "],
    ["a second response", `${ok}Content-Length: 0\r\n\r\n${ok}Content-Length: 4\r\n\r\nevil`, "GET", "200 "]
  ]
  it.scoped.each(bodies)(
    "a body after %s belongs to nothing: it is dropped with its connection",
    ([, attack, method, expected]) =>
      Effect.gen(function*() {
        const server = yield* rawServer(attackOnce(attack))
        expect(yield* outcome(HttpClientRequest.make(method)(server.url))).toBe(expected)
        expect(yield* get(server.url)).toBe("200 fine")
        expect(yield* server.connections).toBe(2)
      }).pipe(Effect.provide(HttpClient.layerPooled()))
  )

  it.scoped("an answer before the request: the bytes after it reach no other request", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        connection.index === 0
          ? Effect.zipRight(
            connection.write(`${fine}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`),
            connection.closed
          )
          : Effect.forever(Effect.zipRight(connection.request, connection.write(fine)))
      )
      expect(yield* get(server.url)).toBe("200 fine")
      expect(yield* get(server.url)).toBe("200 fine")
      expect(yield* server.connections).toBe(2)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("trailers do not become headers or cookies", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.zipRight(
          connection.request,
          connection.write(`${chunked}4\r\nfine\r\n0\r\nSet-Cookie: evil=1\r\nX-Evil: 1\r\nLocation: /evil\r\n\r\n`)
        ))
      )
      const response = yield* HttpClient.get(server.url)
      expect(yield* response.text).toBe("fine")
      expect(Object.keys(response.headers)).toEqual(["transfer-encoding"])
      expect(Object.keys(response.cookies.cookies)).toEqual([])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("CONNECT is refused before anything is sent", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(attackOnce(fine))
      const connect = HttpClientRequest.modify(HttpClientRequest.get(server.url), {})
      // the type has no CONNECT; a program without types may ask for it all the same
      Object.assign(connect, { method: "CONNECT" })
      expect(yield* outcome(connect)).toBe("InvalidRequest Method")
      expect(yield* server.connections).toBe(0)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("request injection", () => {
  const poison = FastCheck.array(
    FastCheck.constantFrom(
      "\r\n",
      "\n",
      "\r",
      "\0",
      " ",
      "\t",
      ":",
      "\u560d\u560a",
      "\u010d\u010a",
      "a",
      "Evil: 1",
      "/",
      "?",
      "#",
      "%0d%0a",
      "\\",
      "@"
    ),
    { minLength: 1, maxLength: 6 }
  ).map((parts) => parts.join(""))
  const fields = ["method", "path", "query", "parameter", "hash", "name", "value", "host", "type"] as const

  /** The request of a program that puts what it was given into one field without looking. */
  const withPoison = (
    url: string,
    field: (typeof fields)[number],
    text: string
  ): HttpClientRequest.HttpClientRequest => {
    const plain = HttpClientRequest.post(`${url}/p`, { headers: { "x-own": "1" } })
    switch (field) {
      case "method":
        return Object.assign(HttpClientRequest.modify(plain, {}), { method: text })
      case "path":
        return HttpClientRequest.setUrl(plain, `${url}/p${text}`)
      case "query":
        return HttpClientRequest.setUrl(plain, `${url}/p?q=${text}`)
      case "parameter":
        return HttpClientRequest.setUrlParam(plain, text, text)
      case "hash":
        return HttpClientRequest.setHash(plain, text)
      case "name":
        return HttpClientRequest.setHeaders(plain, { [`x${text}`]: "1" })
      case "value":
        return HttpClientRequest.setHeader(plain, "x-own", text)
      case "type":
        return HttpClientRequest.bodyText(plain, "", text)
      case "host":
        return HttpClientRequest.setHeader(plain, "host", `${url.slice(7)}${text}`)
    }
  }

  it.scoped("whatever is put into any field, the server sees one request with the headers that were set, or none", () =>
    Effect.gen(function*() {
      const heads: Array<string> = []
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.gen(function*() {
          heads.push((yield* connection.request).head)
          yield* connection.write(fine)
        }))
      )
      const tries = FastCheck.sample(FastCheck.tuple(FastCheck.constantFrom(...fields), poison), 2000)
      let refused = 0
      for (const [field, text] of tries) {
        const before = heads.length
        const result = yield* outcome(withPoison(server.url, field, text))
        if (result !== "200 fine") {
          refused++
          expect(result, `${field} ${JSON.stringify(text)}`).toMatch(
            /^(InvalidRequest|DnsError|ConnectError|InvalidUrl)/
          )
          expect(heads.length).toBe(before)
          continue
        }
        expect(heads.length, `${field} ${JSON.stringify(text)}`).toBe(before + 1)
        const head = heads[before] ?? ""
        const [line = "", ...lines] = head.slice(0, -4).split("\r\n")
        expect(line, `${field} ${JSON.stringify(text)}`).toMatch(/^[!-~]+ \/p[!-~]* HTTP\/1\.1$/)
        const names = lines.map((one) => one.slice(0, one.indexOf(":")).toLowerCase())
        expect(names.filter((name) => !name.startsWith("content-") && !name.startsWith("x")).length, `${head}`).toBe(1)
        expect(head, `${field} ${JSON.stringify(text)}`).not.toMatch(/^evil/im)
        // nothing that some server would take for a line end
        expect(/[\r\n\0]/.test(head.replaceAll("\r\n", "")), `${head}`).toBe(false)
      }
      expect(refused).toBeGreaterThan(100)
      expect(heads.length).toBeGreaterThan(100)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped.each(
    [
      ["transfer-encoding", "chunked"],
      ["content-length", "0"],
      ["content-length", "5, 5"],
      ["connection", "x-own"],
      ["upgrade", "h2c\r\nEvil: 1"],
      ["upgrade", "websocket"],
      ["trailer", "x"],
      ["te", "trailers"],
      ["host", "other.example"]
    ] as const
  )("a program cannot frame a message with %s: %s", ([name, value]) =>
    Effect.gen(function*() {
      const server = yield* rawServer(attackOnce(fine))
      const request = HttpClientRequest.post(server.url, { headers: { [name]: value } }).pipe(
        HttpClientRequest.bodyText("hello")
      )
      expect(yield* outcome(HttpClientRequest.setHeader(request, name, value))).toMatch(/^InvalidRequest/)
      expect(yield* server.connections).toBe(0)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
