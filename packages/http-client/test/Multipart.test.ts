import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { HttpClient, Multipart } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"

interface Seen {
  readonly name: string
  readonly filename: string | undefined
  readonly contentType: string | undefined
  readonly body: string
}

const fixed = new Uint8Array(24)
/** What the decoder makes of a body that arrives in pieces; the failure, if there is one. */
const decode = (
  contentType: string,
  pieces: Iterable<Uint8Array>,
  limits: Partial<Multipart.MultipartLimits> = {}
): { readonly parts: ReadonlyArray<Seen>; readonly failure: string | undefined } => {
  const parts: Array<Seen> = []
  let open: { readonly head: Multipart.PartHead; readonly bytes: Array<Uint8Array> } | undefined
  const decoder = Multipart.MultipartDecoder.make(contentType, {
    onPart: (head) => {
      open = { head, bytes: [] }
    },
    onBody: (bytes) => open?.bytes.push(new Uint8Array(bytes)),
    onPartEnd: () => {
      if (open === undefined) throw new Error("a part ends that has not begun")
      const { contentType: type, filename, name } = open.head
      parts.push({ name, filename, contentType: type, body: Buffer.concat(open.bytes).toString("latin1") })
      open = undefined
    }
  }, limits)
  if ("reason" in decoder) return { parts, failure: decoder.reason }
  for (const piece of pieces) decoder.push(piece)
  return { parts, failure: decoder.finish()?.reason }
}
const split = (bytes: Uint8Array, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
const encoded = (parts: ReadonlyArray<Multipart.Part>, random: Uint8Array = fixed) => {
  const form = Multipart.encode(parts, random)
  if ("reason" in form) throw form
  return { ...form, bytes: Buffer.concat([...form.chunks]) }
}
const bytesOfResponse = (form: FormData) =>
  Effect.promise(() => new Response(form).arrayBuffer().then((body) => new Uint8Array(body)))
const raw = (text: string) => Buffer.from(text.replaceAll(/\r?\n/g, "\r\n"), "latin1")
const type = "multipart/form-data; boundary=AaB03x"

const onePart = (headers: string, body = "x") => `--AaB03x\n${headers}\n\n${body}\n--AaB03x--\n`
/** Why a part is not written. */
const reason = (changes: Partial<Multipart.Part>, random = fixed) => {
  const form = Multipart.encode([{ name: "n", body: "", ...changes }], random)
  return "reason" in form ? form.reason : undefined
}

const field = FastCheck.record({
  name: FastCheck.string({ unit: "binary" }),
  filename: FastCheck.option(FastCheck.string({ unit: "binary" }), { nil: undefined }),
  body: FastCheck.uint8Array({ maxLength: 300 })
})
const wellFormed = (text: string) => Buffer.from(text).toString()
/** Text as the standard has it in names: line ends are CR LF, and text has no lone surrogates. */
const asName = (text: string) => wellFormed(text).replaceAll(/\r\n?|\n/g, "\r\n")

describe("beside the encoder and decoder of the web", () => {
  it.effect.prop(
    "what we write is what node reads",
    { parts: FastCheck.array(field, { maxLength: 5 }) },
    ({ parts }) =>
      Effect.gen(function*() {
        const { bytes, contentType, length } = encoded(parts, randomBytes(24))
        expect(length).toBe(bytes.length)
        if (parts.length === 0) return
        const form = yield* Effect.promise(() =>
          new Response(bytes, { headers: { "content-type": contentType } }).formData()
        )
        const seen = yield* Effect.forEach([...form], ([name, value]) =>
          typeof value === "string"
            ? Effect.succeed([name, undefined, Buffer.from(value).toString("latin1")])
            : Effect.map(Effect.promise(() => value.arrayBuffer()), (body) => [
              name,
              value.name,
              Buffer.from(body).toString("latin1")
            ]))
        expect(seen).toEqual(parts.map(({ body, filename, name }) => [
          asName(name),
          filename === undefined ? undefined : wellFormed(filename),
          // node gives the text of a field without file name as UTF-8
          filename === undefined
            ? Buffer.from(new TextDecoder().decode(body)).toString("latin1")
            : Buffer.from(body).toString("latin1")
        ]))
      })
  )

  it.effect.prop(
    "what node writes is what we read, however it is divided",
    { parts: FastCheck.array(field, { maxLength: 5 }), size: FastCheck.integer({ min: 1, max: 100 }) },
    ({ parts, size }) =>
      Effect.gen(function*() {
        const form = new FormData()
        for (const { body, filename, name } of parts) {
          if (filename === undefined) form.append(name, Buffer.from(body).toString("hex"))
          else form.append(name, new Blob([new Uint8Array(body)], { type: "text/x-any" }), filename)
        }
        const response = new Response(form)
        const contentType = response.headers.get("content-type") ?? ""
        const bytes = new Uint8Array(yield* Effect.promise(() => response.arrayBuffer()))
        expect(decode(contentType, split(bytes, size))).toEqual({
          failure: undefined,
          parts: parts.map(({ body, filename, name }) => ({
            name: asName(name),
            // node leaves out an empty file name
            filename: filename === undefined || filename === "" ? undefined : wellFormed(filename),
            contentType: filename === undefined ? undefined : "text/x-any",
            body: Buffer.from(body).toString(filename === undefined ? "hex" : "latin1")
          }))
        })
      })
  )

  it.effect("bodies that look like delimiters are bodies", () =>
    Effect.gen(function*() {
      const tricky = [
        "\r\n--",
        "\r\n-",
        "\r",
        "\r\r\n--",
        "--",
        "\n--AaB03x",
        "\r\n--AaB03",
        "\r\n\r\n--AaB0\r\n--AaB03"
      ]
      const text = tricky.map((body) =>
        `--AaB03x\r\nContent-Disposition: form-data; name="n"\r\n\r\n${body}\r\n`
      ).join("") + "--AaB03x--\r\n"
      for (let size = 1; size < 40; size++) {
        const { failure, parts } = decode(type, split(Buffer.from(text), size))
        expect([failure, parts.map((part) => part.body)]).toEqual([undefined, tricky])
      }
      expect(yield* bytesOfResponse(new FormData())).toBeInstanceOf(Uint8Array)
    }))
})

describe("the encoder", () => {
  it("escapes as the HTML standard says", () => {
    const { bytes } = encoded([{ name: "a\"\n", filename: "\r\"x\n", body: "" }])
    expect(bytes.toString()).toContain(
      "name=\"a%22%0D%0A\"; filename=\"%0D%22x%0A\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
  })

  it("refuses what could be mistaken", () => {
    expect(reason({ contentType: "a/b\r\nx: y" })).toBe("Header")
    expect(reason({ headers: { "a\r\nb": "c" } })).toBe("Header")
    expect(reason({ headers: { a: "b\nc" } })).toBe("Header")
    expect(reason({ headers: { "Content-Disposition": "x" } })).toBe("Header")
    expect(reason({ headers: { "content-id": "é" } })).toBeUndefined()
    expect(reason({}, new Uint8Array(8))).toBe("Boundary")
  })

  it("knows its length when every part does, and holds it", () => {
    const twoBytes = [Uint8Array.of(1), Uint8Array.of(2)]
    expect(encoded([{ name: "a", body: twoBytes, length: 2 }])).toMatchObject({
      length: encoded([{ name: "a", body: Uint8Array.of(1, 2) }]).bytes.length
    })
    expect(encoded([{ name: "a", body: twoBytes }]).length).toBeUndefined()
    for (const length of [1, 3]) {
      const form = Multipart.encode([{ name: "a", body: twoBytes, length }], fixed)
      expect(() => "chunks" in form && [...form.chunks]).toThrow("Length")
    }
  })

  it.scoped("streams as the body of a request, with or without a length", () =>
    Effect.gen(function*() {
      const heads: Array<string> = []
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.gen(function*() {
          const { body, head } = yield* connection.request
          heads.push(head)
          const contentType = /^content-type: *(.*)\r$/im.exec(head)?.[1] ?? ""
          const answer = JSON.stringify(decode(contentType, [Buffer.from(body, "latin1")]))
          yield* connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`)
        }))
      )
      const send = (parts: ReadonlyArray<Multipart.StreamPart>) =>
        Effect.gen(function*() {
          const client = yield* HttpClient.HttpClient
          const body = yield* Multipart.body(parts)
          const response = yield* client.execute(
            HttpClientRequest.setBody(HttpClientRequest.post(server.url), body)
          )
          return yield* response.json
        }).pipe(Effect.provide(HttpClient.layerPooled()))
      const bytes = Stream.fromIterable([Uint8Array.of(65), Uint8Array.of(66)])
      const sizes = yield* Effect.forEach([2, undefined], (length) =>
        send([{ name: "a", body: bytes, length }, { name: "b", body: [Uint8Array.of(67)], length: 1 }]))
      for (const seen of sizes) {
        expect(seen).toMatchObject({ parts: [{ name: "a", body: "AB" }, { name: "b", body: "C" }] })
      }
      expect(heads[0]).toMatch(/content-length: \d+/)
      expect(heads[1]).toContain("transfer-encoding: chunked")
      const wrong = yield* Effect.flip(Effect.asVoid(send([{ name: "a", body: bytes, length: 1 }])))
      expect(wrong).toMatchObject({ cause: { _tag: "WriteError", reason: "Body" } })
      const many = yield* Multipart.body([{
        name: "n",
        body: Stream.range(1, 5).pipe(Stream.map((n) =>
          Uint8Array.of(n)
        ))
      }])
      expect(Chunk.size(yield* Stream.runCollect(Stream.orDie(many.stream)))).toBe(8)
    }))
})

describe("the decoder", () => {
  it("reads the example of RFC 7578 §4.4's kind, with preamble, padding and epilogue (RFC 2046 §5.1.1)", () => {
    const body = raw(`This is the preamble.  It is to be ignored.
--AaB03x \t
content-disposition: form-data; name="field1"
content-type: text/plain;charset=UTF-8
content-transfer-encoding: quoted-printable

Joe owes =E2=82=AC100.
--AaB03x
Content-Disposition: form-data; name=plain; filename="a;b=c.txt"

--AaB03x--
This is the epilogue.  It is also to be ignored.
`)
    for (const size of [1, 7, body.length]) {
      expect(decode("Multipart/Form-Data; charset=x; BOUNDARY=\"AaB03x\"", split(body, size))).toEqual({
        failure: undefined,
        parts: [
          {
            name: "field1",
            filename: undefined,
            contentType: "text/plain;charset=UTF-8",
            body: "Joe owes =E2=82=AC100."
          },
          { name: "plain", filename: "a;b=c.txt", contentType: undefined, body: "" }
        ]
      })
    }
  })

  const named = "Content-Disposition: form-data; name=\"n\""
  it.each(
    [
      ["Name", onePart("Content-Type: text/plain")],
      ["Name", onePart("Content-Disposition: attachment; name=\"n\"")],
      ["Name", onePart("Content-Disposition: form-data")],
      ["Name", onePart(`${named}; name="other"`)],
      ["Name", onePart(`${named}\n${named}`)],
      ["Syntax", onePart(`${named}\nno colon`)],
      ["Syntax", onePart(`${named}\n folded: line`)],
      ["Syntax", onePart(`${named}\na: \x00`)],
      ["Syntax", onePart(named, "x\n--AaB03xyz")],
      ["Syntax", `--AaB03x-\n${named}`],
      ["Truncated", `--AaB03x\n${named}\n\nx`],
      ["Truncated", ""],
      ["Truncated", "--AaB03x"]
    ]
  )("refuses with %s: %j", (expected, text) => {
    const body = raw(text)
    for (const size of [1, 3, 1000]) expect(decode(type, split(body, size)).failure).toBe(expected)
  })

  it("refuses a bare line feed in a head", () => {
    expect(decode(type, [Buffer.from(`--AaB03x\r\n${named}\na: b\r\n\r\nx\r\n--AaB03x--`)]).failure).toBe("Syntax")
  })

  it("holds its limits", () => {
    const { bytes, contentType } = encoded([{ name: "a", body: "1" }, { name: "b", body: "2".repeat(100) }])
    expect(decode(contentType, [bytes], { parts: 1 })).toMatchObject({ failure: "Parts", parts: [{ name: "a" }] })
    expect(decode(contentType, split(bytes, 1), { headerBytes: 10 }).failure).toBe("HeaderBytes")
    expect(decode(contentType, split(bytes, 10), { bytes: 50 }).failure).toBe("Bytes")
    for (
      const wrong of [
        "text/plain",
        "multipart/form-data",
        "multipart/mixed; boundary=a",
        "multipart/form-data; boundary=\"a\tb\""
      ]
    ) {
      expect(decode(wrong, []).failure).toBe("ContentType")
    }
  })
})
