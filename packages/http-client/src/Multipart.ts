/**
 * multipart/form-data (RFC 7578), sans-IO: parts in, bytes out, and back. Names are escaped as browsers do it (WHATWG's
 * HTML standard, "multipart/form-data encoding algorithm"), so nothing in a name can end it or start another header.
 *
 * @since 0.1.0
 */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { MultipartError } from "./HttpError.ts"
import { TOKEN, VALUE } from "./internal/scanBytes.ts"

export { defaultLimits, MultipartDecoder } from "./internal/parseMultipart.ts"
export type { MultipartEvents, MultipartLimits, PartHead } from "./internal/parseMultipart.ts"

/**
 * A part to be written. `headers` may not be those that the other fields write. An iterable is read once; its `length`
 * in bytes, where it is known, makes the length of the whole known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Part {
  readonly name: string
  readonly filename?: string | undefined
  readonly contentType?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body: string | Uint8Array | Iterable<Uint8Array>
  readonly length?: number | undefined
}

/**
 * A part whose bytes may also come from a stream.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamPart<E = never> extends Omit<Part, "body"> {
  readonly body: Part["body"] | Stream.Stream<Uint8Array, E>
}

const encoder = new TextEncoder()
const validBoundary = /^[0-9A-Za-z'()+_,\-./:=?]{1,70}$/

const isToken = (text: string): boolean =>
  text.length > 0 && [...text].every((char) => char.charCodeAt(0) < 0x80 && TOKEN[char.charCodeAt(0)] === 1)

/** Field values are written as UTF-8, as form data is; control characters could end the line. */
const isValue = (text: string): boolean => [...text].every((char) => VALUE[Math.min(char.charCodeAt(0), 0x80)] === 1)

/** LF, CR and the quote are percent-encoded; in names, line ends are CR LF as in the values of a form. */
const escape = (text: string): string => text.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll("\"", "%22")

const reserved = new Set(["content-disposition", "content-type", "content-length", "content-transfer-encoding"])

const fail = (reason: MultipartError["reason"]): MultipartError => new MultipartError({ reason })

/** The header section of a part, with the boundary before it. */
const encodeHead = (boundary: string, part: Omit<Part, "body">): string | MultipartError => {
  const { contentType, filename, headers = {}, name } = part
  const file = filename === undefined ? "" : `; filename="${escape(filename)}"`
  let head = `--${boundary}\r\nContent-Disposition: form-data; name="${
    escape(name.replaceAll(/\r\n?|\n/g, "\r\n"))
  }"${file}\r\n`
  const type = contentType ?? (filename === undefined ? undefined : "application/octet-stream")
  if (type !== undefined) {
    if (!isValue(type)) return fail("Header")
    head += `Content-Type: ${type}\r\n`
  }
  for (const [field, value] of Object.entries(headers)) {
    if (!isToken(field) || !isValue(value) || reserved.has(field.toLowerCase())) return fail("Header")
    head += `${field}: ${value}\r\n`
  }
  return `${head}\r\n`
}

const lengthOf = (part: StreamPart<unknown>): number | undefined => {
  if (typeof part.body === "string") return Buffer.byteLength(part.body)
  return part.body instanceof Uint8Array ? part.body.length : part.length
}

/** A boundary of 24 random bytes or more cannot be expected to occur in a part. */
const boundaryOf = (random: Uint8Array): string | MultipartError => {
  const boundary = Encoding.encodeHex(random)
  return random.length >= 16 && validBoundary.test(boundary) ? boundary : fail("Boundary")
}

/** Heads, the end, and the length of the whole if every part has one. */
const frame = (
  parts: ReadonlyArray<StreamPart<unknown>>,
  random: Uint8Array
):
  | { readonly boundary: string; readonly heads: ReadonlyArray<Uint8Array>; readonly length: number | undefined }
  | MultipartError =>
{
  const boundary = boundaryOf(random)
  if (typeof boundary !== "string") return boundary
  const heads: Array<Uint8Array> = []
  let length: number | undefined = boundary.length + 6
  for (const part of parts) {
    const head = encodeHead(boundary, part)
    if (typeof head !== "string") return head
    const bytes = encoder.encode(head)
    const size = lengthOf(part)
    length = length === undefined || size === undefined ? undefined : length + bytes.length + size + 2
    heads.push(bytes)
  }
  return { boundary, heads, length }
}

const contentTypeOf = (boundary: string): string => `multipart/form-data; boundary=${boundary}`
const lineEnd = encoder.encode("\r\n")
const endOf = (boundary: string): Uint8Array => encoder.encode(`--${boundary}--\r\n`)

/**
 * A form as bytes. `length` is undefined when that of a part is not known. The chunks can be read once if the parts can.
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodedForm {
  readonly contentType: string
  readonly length: number | undefined
  readonly chunks: Iterable<Uint8Array>
}

const bytesOf = (body: Part["body"]): Iterable<Uint8Array> =>
  typeof body === "string" ? [encoder.encode(body)] : body instanceof Uint8Array ? [body] : body

function* exactly(chunks: Iterable<Uint8Array>, length: number | undefined): Generator<Uint8Array, void> {
  let size = 0
  for (const bytes of chunks) {
    size += bytes.length
    if (length !== undefined && size > length) throw fail("Length")
    yield bytes
  }
  if (length !== undefined && size !== length) throw fail("Length")
}

/**
 * Write parts, with a boundary made of random bytes (16 or more). While the chunks are read, a part that is longer or
 * shorter than its `length` is thrown as a `MultipartError`.
 *
 * @example
 * ```ts
 * import { Multipart } from "@sennit/http-client"
 * import { randomBytes } from "node:crypto"
 *
 * const form = Multipart.encode([{ name: "a", body: "1" }], randomBytes(24))
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (parts: ReadonlyArray<Part>, random: Uint8Array): EncodedForm | MultipartError => {
  const framed = frame(parts, random)
  if ("_tag" in framed) return framed
  const { boundary, heads, length } = framed
  return {
    contentType: contentTypeOf(boundary),
    length,
    chunks: {
      *[Symbol.iterator]() {
        for (const [index, part] of parts.entries()) {
          yield heads[index] ?? lineEnd
          yield* exactly(bytesOf(part.body), lengthOf(part))
          yield lineEnd
        }
        yield endOf(boundary)
      }
    }
  }
}

const isStream = <E>(body: StreamPart<E>["body"]): body is Stream.Stream<Uint8Array, E> =>
  Predicate.hasProperty(body, Stream.StreamTypeId)

const streamOf = <E>(part: StreamPart<E>): Stream.Stream<Uint8Array, E | MultipartError> => {
  const { body } = part
  if (typeof body === "string" || body instanceof Uint8Array) return Stream.fromIterable(bytesOf(body))
  // one by one, because an iterable may be as long as a file
  const chunks = isStream(body) ? body : Stream.suspend(() => Stream.fromIteratorSucceed(exactly(body, undefined), 1))
  const { length } = part
  if (length === undefined) return chunks
  return Stream.mapAccumEffect(chunks, 0, (before, bytes) => {
    const size = before + bytes.length
    return size > length ? Effect.fail(fail("Length")) : Effect.succeed([size, bytes] as const)
  })
}

/** Not to be foreseen by whoever chooses what is in a part. */
const randomBytes: Effect.Effect<Uint8Array> = Effect.sync(() => crypto.getRandomValues(new Uint8Array(24)))

/**
 * The body of a request: parts are read as the connection takes them, and the length is sent when every part has one.
 *
 * @example
 * ```ts
 * import { HttpClient, Multipart } from "@sennit/http-client"
 * import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* HttpClient.HttpClient
 *   const lines = Stream.range(1, 1_000_000).pipe(Stream.map((n) => `${n}\n`), Stream.encodeText)
 *   const body = yield* Multipart.body([{ name: "lines", filename: "lines.txt", body: lines }])
 *   return yield* client.execute(HttpClientRequest.setBody(HttpClientRequest.post("https://example.com/"), body))
 * })
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const body = Effect.fn("Multipart.body")(
  function*<E = never>(parts: ReadonlyArray<StreamPart<E>>): Effect.fn.Return<HttpBody.Stream, MultipartError> {
    const framed = frame(parts, yield* randomBytes)
    if ("_tag" in framed) return yield* framed
    const { boundary, heads, length } = framed
    const bytes = Stream.fromIterable(parts.entries()).pipe(
      Stream.flatMap(([index, part]) =>
        Stream.concat(
          Stream.concat(Stream.succeed(heads[index] ?? lineEnd), streamOf(part)),
          Stream.succeed(lineEnd)
        )
      ),
      Stream.concat(Stream.succeed(endOf(boundary)))
    )
    return HttpBody.stream(bytes, contentTypeOf(boundary), length)
  }
)
