// @effect-diagnostics nodeBuiltinImport:off -- reads vectors, and compares with node's own parser
import { describe, expect, it } from "@effect/vitest"
import { Http1, HttpError, Limits } from "@sennit/http-client"
import * as FastCheck from "effect/FastCheck"
import * as Fs from "node:fs"

interface Outcome {
  readonly responses: ReadonlyArray<{
    readonly status: number
    readonly fields: ReadonlyArray<Http1.Field>
    readonly body: string
    readonly trailers: ReadonlyArray<Http1.Field>
  }>
  readonly informational: ReadonlyArray<number>
  /** "ok", or tag, reason and offset of the failure. */
  readonly end: string
  readonly excess: number
}

const describeFailure = (failure: HttpError.HttpError): string =>
  failure._tag === "ProtocolError" ? `${failure.reason}@${failure.offset}` : failure._tag

/** Parse one response, delivered in pieces that end at `cuts`. */
const parse = (
  bytes: Uint8Array,
  cuts: ReadonlyArray<number> = [],
  method = "GET",
  limits: Partial<Limits.Limits> = {}
): Outcome => {
  const responses: Array<Outcome["responses"][number]> = []
  const informational: Array<number> = []
  let head: Http1.ResponseHead | undefined
  let body = ""
  const complete = (trailers: ReadonlyArray<Http1.Field>) => {
    if (head !== undefined) responses.push({ status: head.status, fields: head.fields, body, trailers })
    head = undefined
  }
  const parser = new Http1.ResponseReader({
    onInformational: (status) => informational.push(status),
    onHead: (made) => {
      head = made
    },
    onBody: (piece) => {
      body += Buffer.from(piece).toString("latin1")
    },
    onEnd: complete
  }, { ...Limits.defaults, ...limits })
  parser.start(method)
  let failure: Http1.ResponseFailure | undefined
  const places = [0, ...cuts, bytes.length]
  for (let i = 1; i < places.length && failure === undefined; i++) {
    // a copy that is overwritten afterwards: the parser may keep nothing of what it was given
    const piece = new Uint8Array(bytes.subarray(places[i - 1], places[i]))
    failure = parser.push(piece)
    piece.fill(0)
  }
  failure ??= parser.finish()
  return {
    responses,
    informational,
    end: failure === undefined ? "ok" : describeFailure(failure),
    excess: failure === undefined ? parser.excess : 0
  }
}

/** The same through the parser that gives events and throws. */
const parseEvents = (
  bytes: Uint8Array,
  cuts: ReadonlyArray<number>,
  method = "GET"
): Pick<Outcome, "responses" | "end"> => {
  const parser = new Http1.ResponseParser({ method })
  const responses: Array<Outcome["responses"][number]> = []
  let head: Http1.ResponseHead | undefined
  let body = ""
  const take = (events: ReadonlyArray<Http1.ResponseEvent>) => {
    for (const event of events) {
      if (event._tag === "Head") head = event.head
      else if (event._tag === "Body") body += Buffer.from(event.bytes).toString("latin1")
      else if (event._tag === "End" && head !== undefined) {
        responses.push({ status: head.status, fields: head.fields, body, trailers: event.trailers })
      }
    }
  }
  const places = [0, ...cuts, bytes.length]
  try {
    for (let i = 1; i < places.length; i++) take(parser.push(bytes.subarray(places[i - 1], places[i])))
    take(parser.finish())
    return { responses, end: "ok" }
  } catch (failure) {
    return { responses, end: HttpError.isHttpError(failure) ? describeFailure(failure) : "another error" }
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1")
const each = (length: number) => Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1)

const ok = "HTTP/1.1 200 OK\r\n"
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`

const keepAliveOf = (head: string) => {
  let known: Http1.ResponseHead | undefined
  const parser = new Http1.ResponseReader({
    onHead: (made) => {
      known = made
    },
    onBody: () => undefined,
    onEnd: () => undefined
  })
  parser.start("GET")
  expect(parser.push(bytes(head))).toBeUndefined()
  return [known?.keepAlive, known?.keepAliveSeconds]
}

describe("ResponseReader and ResponseParser", () => {
  it("reads head, fields, body and trailers", () => {
    const parsed = parse(
      bytes(`${ok}A: 1\r\nb:2 \r\nA:\t3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: y\r\n\r\n`)
    )
    expect(parsed).toEqual({
      responses: [{
        status: 200,
        fields: [["a", "1"], ["b", "2"], ["a", "3"], ["transfer-encoding", "chunked"]],
        body: "abc",
        trailers: [["x-t", "y"]]
      }],
      informational: [],
      end: "ok",
      excess: 0
    })
  })

  const refusals: ReadonlyArray<readonly [name: string, response: string, reason: HttpError.ProtocolReason]> = [
    ["a length with a sign", `${ok}Content-Length: +5\r\n\r\nhello`, "ContentLength"],
    ["a negative length", `${ok}Content-Length: -5\r\n\r\nhello`, "ContentLength"],
    ["a hexadecimal length", `${ok}Content-Length: 0x5\r\n\r\nhello`, "ContentLength"],
    ["an empty length", `${ok}Content-Length: \r\n\r\n`, "ContentLength"],
    ["a length with a space inside", `${ok}Content-Length: 4 2\r\n\r\n`, "ContentLength"],
    ["a list of equal lengths", `${ok}Content-Length: 42,42\r\n\r\n`, "ContentLength"],
    ["equal lengths twice", `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, "ContentLength"],
    ["different lengths", `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, "ContentLength"],
    ["a length of 20 digits", `${ok}Content-Length: 18446744073709551616\r\n\r\n`, "ContentLength"],
    ["length beside chunked", `${ok}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`, "ConflictingFraming"],
    ["chunked not at the end", `${ok}Transfer-Encoding: chunked, gzip\r\n\r\n`, "TransferEncoding"],
    ["a coding before chunked", `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`, "TransferEncoding"],
    ["chunked twice", `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, "TransferEncoding"],
    ["chunked in quotes", `${ok}Transfer-Encoding: "chunked"\r\n\r\n`, "TransferEncoding"],
    ["chunked with vertical tab", `${ok}Transfer-Encoding:\vchunked\r\n\r\n`, "HeaderValue"],
    ["chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "TransferEncoding"],
    ["a chunk size of 14 digits", `${chunked}00000000000001\r\n`, "ChunkSize"],
    ["a chunk size that overflows", `${chunked}ffffffffffffffff\r\n`, "ChunkSize"],
    ["no chunk size", `${chunked}\r\n`, "ChunkSize"],
    ["a chunk size with a sign", `${chunked}+5\r\nhello\r\n`, "ChunkSize"],
    ["a chunk size with 0x", `${chunked}0x5\r\nhello\r\n`, "ChunkSize"],
    ["space after a chunk size", `${chunked}5 \r\nhello\r\n`, "ChunkSize"],
    ["a chunk longer than its size", `${chunked}4\r\nhello\r\n0\r\n\r\n`, "ChunkEnd"],
    ["a chunk that ends with LF", `${chunked}5\r\nhello\n0\r\n\r\n`, "ChunkEnd"],
    ["a size line that ends with LF", `${chunked}5\nhello\r\n`, "ChunkSize"],
    ["a bare CR in an extension", `${chunked}5;a\rb\r\nhello\r\n`, "LineEnding"],
    ["a length in the trailers", `${chunked}0\r\nContent-Length: 5\r\n\r\n`, "Trailer"],
    ["a coding in the trailers", `${chunked}0\r\nTransfer-Encoding: chunked\r\n\r\n`, "Trailer"],
    ["LF after the status line", "HTTP/1.1 200 OK\nA: b\n\n", "LineEnding"],
    ["LF after a field", `${ok}A: b\n\r\n`, "LineEnding"],
    ["LF as the empty line", `${ok}A: b\r\n\n`, "LineEnding"],
    ["a bare CR in a value", `${ok}A: b\rB: c\r\n\r\n`, "LineEnding"],
    ["a bare CR in the status line", "HTTP/1.1 200 O\rK\r\n\r\n", "LineEnding"],
    ["a folded value", `${ok}A: b\r\n\tc\r\n\r\n`, "ObsoleteFold"],
    ["space before the first field", `${ok} A: b\r\n\r\n`, "ObsoleteFold"],
    ["NUL in a value", `${ok}A: b\0c\r\n\r\n`, "HeaderValue"],
    ["NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", "StatusLine"],
    ["DEL in a value", `${ok}A: \x7f\r\n\r\n`, "HeaderValue"],
    ["space before the colon", `${ok}A : b\r\n\r\n`, "HeaderName"],
    ["a field without a name", `${ok}: b\r\n\r\n`, "HeaderName"],
    ["a field without a colon", `${ok}A\r\n\r\n`, "LineEnding"],
    ["status 0", "HTTP/1.1 0 Zero\r\n\r\n", "Status"],
    ["status 099", "HTTP/1.1 099 Low\r\n\r\n", "Status"],
    ["status 1000", "HTTP/1.1 1000 High\r\n\r\n", "Status"],
    ["two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", "Status"],
    ["HTTP/0.9", "HTTP/0.9 200 OK\r\n\r\n", "Version"],
    ["HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", "Version"],
    ["HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", "Version"],
    ["lower case http", "http/1.1 200 OK\r\n\r\n", "StatusLine"],
    ["an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", "StatusLine"],
    ["an upgrade nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "Upgrade"],
    ["a head cut short", `${ok}A: b\r\n`, "TruncatedHead"],
    ["an empty answer", "", "TruncatedHead"],
    ["a body cut short", `${ok}Content-Length: 6\r\n\r\nhello`, "TruncatedBody"],
    ["chunks cut short", `${chunked}5\r\nhello\r\n`, "TruncatedBody"],
    ["trailers cut short", `${chunked}0\r\n`, "TruncatedBody"]
  ]
  it.each(refusals)("refuses %s", (_, response, reason) => {
    const whole = parse(bytes(response))
    expect(whole.end.split("@")[0]).toBe(reason)
    // the same verdict at the same place when it comes byte by byte
    expect(parse(bytes(response), each(response.length)).end).toBe(whole.end)
  })

  it("reads responses without a body", () => {
    for (
      const [method, response] of [
        ["HEAD", `${ok}Content-Length: 5\r\n\r\n`],
        ["HEAD", chunked],
        ["GET", "HTTP/1.1 204 No Content\r\n\r\n"],
        ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"],
        ["GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"]
      ] as const
    ) {
      expect(parse(bytes(response), [], method)).toMatchObject({ responses: [{ body: "" }], end: "ok", excess: 0 })
    }
  })

  it("counts bytes after the end instead of reading them", () => {
    expect(parse(bytes(`${ok}Content-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n`))).toMatchObject({
      responses: [{ body: "hi" }],
      excess: 19
    })
    expect(parse(bytes("HTTP/1.1 204 No Content\r\n\r\nbody"))).toMatchObject({ excess: 4 })
  })

  it("holds each limit while bytes arrive", () => {
    const endless = bytes(`${ok}A: ${"a".repeat(20_000)}`)
    expect(parse(endless).end).toBe("HeadersTooLarge")
    expect(parse(endless, each(endless.length)).end).toBe("HeadersTooLarge")
    const head = `${ok}A: b\r\n\r\n`
    expect(parse(bytes(head), [], "GET", { headerBytes: head.length }).end).toBe("ok")
    expect(parse(bytes(head), [], "GET", { headerBytes: head.length - 1 }).end).toBe("HeadersTooLarge")
    expect(parse(bytes(`${ok}${"A: b\r\n".repeat(100)}\r\n`)).end).toBe("ok")
    expect(parse(bytes(`${ok}${"A: b\r\n".repeat(101)}\r\n`)).end).toBe("HeadersTooLarge")
    expect(parse(bytes(`${chunked}0\r\n${"A: b\r\n".repeat(101)}\r\n`)).end).toBe("HeadersTooLarge")
    expect(parse(bytes("HTTP/1.1 100 Continue\r\n\r\n".repeat(16) + head)).informational.length).toBe(16)
    expect(parse(bytes("HTTP/1.1 100 Continue\r\n\r\n".repeat(17) + head)).end).toContain("InformationalFlood")
    expect(parse(bytes(`${chunked}1;${"a".repeat(5000)}\r\n`)).end).toBe("HeadersTooLarge")
    expect(parse(bytes(`${chunked}${`1;${"a".repeat(1000)}\r\nx\r\n`.repeat(5)}`)).end).toBe("HeadersTooLarge")
    for (const response of [`${ok}Content-Length: 9\r\n\r\n`, `${chunked}5\r\nhello\r\n4\r\n`, `${ok}\r\n123456789`]) {
      expect(parse(bytes(response), [], "GET", { bodyBytes: 8 }).end).toBe("BodyTooLarge")
    }
    expect(parse(bytes(`${ok}\r\n12345678`), [], "GET", { bodyBytes: 8 }).end).toBe("ok")
  })

  it("knows what becomes of the connection", () => {
    expect(keepAliveOf(`${ok}Content-Length: 0\r\n\r\n`)).toEqual([true, -1])
    expect(keepAliveOf(`${ok}Content-Length: 0\r\nConnection: x, CLOSE\r\n\r\n`)).toEqual([false, -1])
    expect(keepAliveOf(`${ok}Content-Length: 0\r\nKeep-Alive: max=3, timeout=7\r\n\r\n`)).toEqual([true, 7])
    expect(keepAliveOf("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")).toEqual([false, -1])
    expect(keepAliveOf("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")).toEqual([true, -1])
    expect(keepAliveOf(`${ok}\r\n`)).toEqual([false, -1])
  })

  const responseArbitrary = (() => {
    const token = FastCheck.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/)
    const field = FastCheck.tuple(
      token.map((name) => `X-${name}`),
      FastCheck.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)
    )
    const block = FastCheck.array(field, { maxLength: 6 }).map((fields) =>
      fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")
    )
    const text = FastCheck.uint8Array({ maxLength: 40 }).map((all) => Buffer.from(all).toString("latin1"))
    const sized = FastCheck.tuple(block, text).map(([head, body]) =>
      `${ok}${head}Content-Length: ${body.length}\r\n\r\n${body}`
    )
    const inChunks = FastCheck.tuple(
      block,
      FastCheck.array(text.filter((one) => one.length > 0), { maxLength: 5 }),
      block
    )
      .map(([head, chunks, trailers]) =>
        `${ok}${head}Transfer-Encoding: chunked\r\n\r\n${
          chunks.map((one) => `${one.length.toString(16)};e=1\r\n${one}\r\n`).join("")
        }0\r\n${trailers}\r\n`
      )
    const toClose = FastCheck.tuple(block, text).map(([head, body]) => `${ok}${head}\r\n${body}`)
    const valid = FastCheck.oneof(sized, inChunks, toClose)
    const early = FastCheck.constantFrom(
      "",
      "HTTP/1.1 100 Continue\r\n\r\n",
      "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    )
    return FastCheck.tuple(early, valid).map((parts) => parts.join(""))
  })()

  it.prop(
    "any division of any response parses equal, damaged ones too",
    [
      responseArbitrary,
      FastCheck.option(FastCheck.tuple(FastCheck.nat(400), FastCheck.nat(255))),
      FastCheck.array(FastCheck.nat(400), { maxLength: 8 })
    ],
    ([response, damage, places]) => {
      const all = bytes(response)
      if (damage !== null && damage[0] < all.length) all[damage[0]] = damage[1]
      const cuts = [...new Set(places)].filter((place) => place < all.length)
      cuts.sort((a, b) => a - b)
      const whole = parse(all)
      expect(parse(all, cuts)).toEqual(whole)
      expect(parse(all, each(all.length))).toEqual(whole)
      expect(parseEvents(all, cuts)).toEqual({ responses: whole.responses, end: whole.end })
    },
    { fastCheck: { numRuns: 2000 } }
  )
})

// ------------------------------------------------------------------------------------------------- llhttp's own cases

interface LlhttpCase {
  readonly title: string
  readonly meta: { readonly type: string; readonly skipBody?: boolean }
  readonly http: string
  readonly log: string
}

const vectors = new URL("../../../../shared/data/llhttp/response-cases.json", import.meta.url)
const haveVectors = Fs.existsSync(vectors)

/** The fixture notation: a line break is CRLF, a trailing backslash joins lines, \r \n \t are escapes. */
const decodeHttp = (text: string): Uint8Array =>
  Buffer.from(
    text.replaceAll(/\\\n/g, "").replaceAll("\n", "\r\n").replaceAll("\\r", "\r").replaceAll("\\n", "\n")
      .replaceAll("\\t", "\t").replaceAll("\\f", "\f"),
    "utf8"
  )

/** What llhttp logged about its first final message. */
const decodeLog = (log: string) => {
  const events = log.split("\n")
  const heads = events.flatMap((line, at) => {
    const status = /headers complete status=(\d+)/.exec(line)?.[1]
    return status === undefined ? [] : [{ at, status: Number(status) }]
  })
  const final = heads.find((head) => head.status >= 200)
  const end = events.findIndex((line, at) => final !== undefined && at > final.at && line.includes("message complete"))
  const error = events.findIndex((line) => /error code=\d+/.test(line) && !line.includes("Pause on"))
  return {
    status: final?.status,
    complete: end !== -1,
    /** An error before the first final message was complete. */
    refused: error !== -1 && (end === -1 || error < end)
  }
}

/** Where we refuse what strict llhttp reads, and why. We accept nothing that strict llhttp refuses. */
const stricter = new Map<string, string>([
  ["RTSP", "StatusLine"], // another protocol
  ["ICE", "StatusLine"], // another protocol
  ["HTTP version 0.9", "Version"], // RFC 9112 §2.3
  ["Response starting with CRLF", "StatusLine"], // only servers must skip empty lines
  ["100 first, then 400", "StatusLine"], // an empty line between two responses
  ["101 response", "Upgrade"], // nobody asked for one
  ["chunked` before other", "TransferEncoding"], // RFC 9112 §6.3: the length is unknown, so the answer is not used
  ["chunked is not the last one", "TransferEncoding"],
  ["chunkedchunked", "TransferEncoding"]
])

/** Their lenient modes have no counterpart: what is legal is read, the rest is refused for this reason. */
const lenient: Readonly<Record<string, string>> = {
  "response-lenient-data-after-close": "ok",
  "response-lenient-keep-alive": "ok",
  "response-lenient-optional-lf-after-cr": "LineEnding",
  "response-lenient-optional-cr-before-lf": "LineEnding",
  "response-lenient-all": "LineEnding",
  "response-lenient-version": "Version",
  "response-lenient-headers": "ObsoleteFold"
}

/** What we did with a case, beside what we should have done. */
const judge = (one: LlhttpCase, ours: Outcome): readonly [did: unknown, should: unknown] => {
  const reason = ours.end.split("@")[0]
  const difference = [...stricter].find(([title]) => one.title.includes(title))
  if (difference !== undefined) return [reason, difference[1]]
  if (one.meta.type in lenient) return [reason, lenient[one.meta.type]]
  const theirs = decodeLog(one.log)
  if (theirs.refused) return [ours.end === "ok" || ours.end.startsWith("Truncated"), false]
  const statuses = ours.responses.map(({ status }) => status)
  return [statuses, theirs.complete || !ours.end.startsWith("Truncated") ? [theirs.status] : []]
}

const cases: ReadonlyArray<LlhttpCase> = haveVectors ? JSON.parse(Fs.readFileSync(vectors, "utf8")).cases : []

describe.skipIf(!haveVectors)("llhttp's response cases (need ../shared/data/llhttp/response-cases.json)", () => {
  it("are all here", () => expect(cases.length).toBe(85))

  it.each(cases.map((one, at) => [`${at} ${one.title}`, one] as const))("%s", (_, one) => {
    const all = decodeHttp(one.http)
    const method = one.meta.skipBody === true ? "HEAD" : "GET"
    const ours = parse(all, [], method)
    expect(parse(all, each(all.length), method)).toEqual(ours)
    const [did, should] = judge(one, ours)
    expect(did).toEqual(should)
  })
})

// ------------------------------------------------------------------------------------------------------- the encoder

const request: Http1.RequestHead = { method: "GET", target: "/", host: "a.example", headers: {}, framing: "none" }

describe("encodeRequestHead", () => {
  it("writes what node's own server reads back", () => {
    expect(
      Http1.encodeRequestHead({ ...request, method: "POST", target: "/a?b=c", headers: { "x-a": "1" }, framing: 3 })
    )
      .toBe("POST /a?b=c HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\ncontent-length: 3\r\n\r\n")
    expect(Http1.encodeRequestHead({ ...request, method: "PUT" })).toContain("content-length: 0\r\n")
    expect(Http1.encodeRequestHead({ ...request, framing: "chunked" })).toContain("transfer-encoding: chunked\r\n")
    expect(Http1.encodeRequestHead(request)).not.toContain("content-length")
    expect(Http1.encodeRequestHead({ ...request, headers: { a: ["1", "2"] } })).toContain("a: 1\r\na: 2\r\n")
  })

  const injections: ReadonlyArray<readonly [string, Partial<Http1.RequestHead>, HttpError.InvalidRequest["reason"]]> = [
    ["a line end in the method", { method: "GET / HTTP/1.1\r\nX: y" }, "Method"],
    ["a space in the method", { method: "GET /x" }, "Method"],
    ["an empty method", { method: "" }, "Method"],
    ["CONNECT", { method: "CONNECT" }, "Method"],
    ["a line end in the target", { target: "/p\r\nEvil: 1" }, "Target"],
    ["a space in the target", { target: "/p q" }, "Target"],
    ["NUL in the target", { target: "/p\0" }, "Target"],
    ["a fragment in the target", { target: "/p#q" }, "Target"],
    ["an absolute target", { target: "http://b.example/" }, "Target"],
    ["an empty target", { target: "" }, "Target"],
    ["a character above ASCII in the target", { target: "/\u560d\u560a" }, "Target"],
    ["a line end in the host", { host: "a\r\nEvil: 1" }, "Target"],
    ["a path in the host", { host: "a/b" }, "Target"],
    ["an empty host", { host: "" }, "Target"],
    ["a line end in a name", { headers: { "a\r\nEvil": "1" } }, "HeaderName"],
    ["a colon in a name", { headers: { "a:b": "1" } }, "HeaderName"],
    ["an empty name", { headers: { "": "1" } }, "HeaderName"],
    ["CR in a value", { headers: { a: "1\rEvil: 1" } }, "HeaderValue"],
    ["LF in a value", { headers: { a: "1\nEvil: 1" } }, "HeaderValue"],
    ["NUL in a value", { headers: { a: "1\0" } }, "HeaderValue"],
    ["a character that becomes LF in ISO 8859-1", { headers: { a: "1\u010a" } }, "HeaderValue"],
    ["a line end in one of many values", { headers: { a: ["1", "2\r\n"] } }, "HeaderValue"],
    ["another host", { headers: { host: "b.example" } }, "Framing"],
    ["another length", { headers: { "content-length": "5" }, framing: 3 }, "Framing"],
    ["a length beside chunks", { headers: { "Content-Length": "5" }, framing: "chunked" }, "Framing"],
    ["a transfer coding", { headers: { "Transfer-Encoding": "chunked" } }, "Framing"],
    ["an upgrade", { headers: { upgrade: "h2c" } }, "Framing"],
    ["a connection option", { headers: { connection: "upgrade" } }, "Framing"]
  ]
  it.each(injections)("refuses %s", (_, part, reason) => {
    expect(Http1.encodeRequestHead({ ...request, ...part })).toMatchObject({ _tag: "InvalidRequest", reason })
  })

  it.prop(
    "whatever it writes has exactly the lines that were asked for",
    [FastCheck.fullUnicodeString(), FastCheck.fullUnicodeString(), FastCheck.fullUnicodeString()],
    ([target, name, value]) => {
      const head = Http1.encodeRequestHead({ ...request, target: `/${target}`, headers: { [name]: value } })
      if (typeof head === "string") expect(head.split(/\r\n|\r|\n/).length).toBe(5)
    },
    { fastCheck: { numRuns: 2000 } }
  )
})
