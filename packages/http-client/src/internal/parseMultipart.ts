import { MultipartError } from "../HttpError.ts"
import { CR, LF, TOKEN, VALUE } from "./scanBytes.ts"

/**
 * - `parts`: parts of one body (1000)
 * - `headerBytes`: the headers of one part (16384)
 * - `bytes`: the whole body; no bound unless given
 *
 * @since 0.1.0
 * @category models
 */
export interface MultipartLimits {
  readonly parts: number
  readonly headerBytes: number
  readonly bytes: number
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: MultipartLimits = {
  parts: 1000,
  headerBytes: 16_384,
  bytes: Number.POSITIVE_INFINITY
}

/**
 * The head of a part: names and values of its headers in the order of arrival, names in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface PartHead {
  readonly name: string
  readonly filename: string | undefined
  readonly contentType: string | undefined
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
}

/**
 * What a decoder tells. The bytes given to `onBody` are a view that is valid only during the call.
 *
 * @since 0.1.0
 * @category models
 */
export interface MultipartEvents {
  readonly onPart: (head: PartHead) => void
  readonly onBody: (bytes: Uint8Array) => void
  readonly onPartEnd: () => void
}

const START = 0
const HEAD = 1
const BODY = 2
const AFTER = 3
const EPILOGUE = 4
const FAILED = 5
const FIRST = 6

const boundaryParameter = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i
const boundarySyntax = /^[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]$/
const formData = /^multipart\/form-data\s*;/i
// as browsers write it: a backslash is itself, a quote in a value is %22
const disposition = /^form-data((?:\s*;\s*[^=;\s]+=(?:"[^"]*"|[^\s;"]+))*)\s*$/i
const parameter = /;\s*([^=;\s]+)=(?:"([^"]*)"|([^\s;"]+))/g
const text = new TextDecoder("utf-8", { ignoreBOM: true })

/** Browsers percent-encode only these three. */
const unescape = (value: string): string =>
  value.replaceAll("%0A", "\n").replaceAll("%0D", "\r").replaceAll("%22", "\"")

const nothing = new Uint8Array(0)

const joined = (one: Uint8Array, other: Uint8Array): Uint8Array => {
  if (one.length === 0) return other
  const both = new Uint8Array(one.length + other.length)
  both.set(one)
  both.set(other, one.length)
  return both
}

const isText = (value: string): boolean => [...value].every((char) => VALUE[Math.min(char.charCodeAt(0), 0x80)] === 1)

/** The headers of a part, or undefined when a line is none. */
const parseHeaders = (block: Uint8Array): Array<readonly [string, string]> | undefined => {
  const headers: Array<readonly [string, string]> = []
  for (const line of text.decode(block).split("\r\n")) {
    const colon = line.indexOf(":")
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).replaceAll(/^[\t ]+|[\t ]+$/g, "")
    if (colon < 1 || [...name].some((char) => TOKEN[Math.min(char.charCodeAt(0), 255)] === 0)) return undefined
    if (/[\r\n]/.test(value)) return undefined
    // names of fields and files may hold any character, and browsers send it as it is
    if (name !== "content-disposition" && !isText(value)) return undefined
    headers.push([name, value])
  }
  return headers
}

const parseHead = (block: Uint8Array): PartHead | MultipartError => {
  const headers = parseHeaders(block)
  if (headers === undefined) return new MultipartError({ reason: "Syntax" })
  const valuesOf = (name: string) => headers.flatMap(([field, value]) => field === name ? [value] : [])
  const [value = "", ...others] = valuesOf("content-disposition")
  const parameters = new Map<string, string>()
  for (const [, name = "", quoted, plain] of (disposition.exec(value)?.[1] ?? "").matchAll(parameter)) {
    if (parameters.has(name.toLowerCase())) return new MultipartError({ reason: "Name" })
    parameters.set(name.toLowerCase(), quoted === undefined ? plain ?? "" : unescape(quoted))
  }
  const name = parameters.get("name")
  if (name === undefined || others.length > 0) return new MultipartError({ reason: "Name" })
  return { name, filename: parameters.get("filename"), contentType: valuesOf("content-type")[0], headers }
}

/**
 * Incremental decoder of multipart/form-data: `push` takes bytes in any division, `finish` says that no more will come.
 * Both give the failure that stops the decoder, if any. It keeps no more of a part than the length of the boundary.
 *
 * @since 0.1.0
 * @category decoding
 */
export class MultipartDecoder {
  readonly #events: MultipartEvents
  readonly #limits: MultipartLimits
  /** CR LF, two hyphens and the boundary. */
  readonly #delimiter: Uint8Array
  #state = START
  /** What could not be decided yet; at the start a line end that was not sent, so that every delimiter looks alike. */
  #rest: Uint8Array = Uint8Array.of(CR, LF)
  #parts = 0
  #bytes = 0
  #failure: MultipartError | undefined

  private constructor(events: MultipartEvents, boundary: string, limits: MultipartLimits) {
    this.#events = events
    this.#limits = limits
    this.#delimiter = new TextEncoder().encode(`\r\n--${boundary}`)
  }

  /** A decoder for a body with this Content-Type. */
  static make(
    contentType: string,
    events: MultipartEvents,
    limits: Partial<MultipartLimits> = {}
  ): MultipartDecoder | MultipartError {
    const found = formData.test(contentType) ? boundaryParameter.exec(contentType) : null
    const boundary = found?.[1] ?? found?.[2]
    return boundary === undefined || !boundarySyntax.test(boundary)
      ? new MultipartError({ reason: "ContentType" })
      : new MultipartDecoder(events, boundary, { ...defaultLimits, ...limits })
  }

  /** Take bytes. */
  push(bytes: Uint8Array): MultipartError | undefined {
    if (this.#failure !== undefined) return this.#failure
    this.#bytes += bytes.length
    if (this.#bytes > this.#limits.bytes) return this.#fail("Bytes", this.#limits.bytes)
    let buffer = joined(this.#rest, bytes)
    this.#rest = nothing
    while (buffer.length > 0 && this.#failure === undefined) {
      const used = this.#step(buffer)
      if (used === -1) {
        // a copy, because the buffer belongs to the caller
        this.#rest = new Uint8Array(buffer)
        break
      }
      buffer = buffer.subarray(used)
    }
    return this.#failure
  }

  /** No more bytes will come. */
  finish(): MultipartError | undefined {
    return this.#state === EPILOGUE ? undefined : this.#failure ?? this.#fail("Truncated")
  }

  #fail(reason: MultipartError["reason"], maximum?: number): MultipartError {
    this.#state = FAILED
    return this.#failure = new MultipartError({ reason, maximum })
  }

  /** How many bytes were used, -1 when more must come first. */
  #step(buffer: Uint8Array): number {
    switch (this.#state) {
      case START:
      case BODY:
        return this.#scanBody(buffer)
      case FIRST:
        return this.#scanFirst(buffer)
      case AFTER:
        return this.#scanAfter(buffer)
      case HEAD:
        return this.#scanHead(buffer)
      default:
        // what follows the last delimiter is to be ignored (RFC 2046 §5.1.1)
        return buffer.length
    }
  }

  #scanBody(buffer: Uint8Array): number {
    const at = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length).indexOf(this.#delimiter)
    if (at === -1) {
      const last = buffer.lastIndexOf(CR)
      const open = last !== -1 && this.#mayStart(buffer.subarray(last)) ? last : buffer.length
      if (open > 0) this.#tell(buffer.subarray(0, open))
      return open > 0 ? open : -1
    }
    if (at > 0) this.#tell(buffer.subarray(0, at))
    if (this.#state === BODY) this.#events.onPartEnd()
    this.#state = AFTER
    return at + this.#delimiter.length
  }

  /** The empty line after the head; of a part without body it may be the line end of the delimiter (RFC 2046 §5.1.1). */
  #scanFirst(buffer: Uint8Array): number {
    if (this.#mayStart(buffer)) return -1
    this.#state = BODY
    const isDelimiter = this.#delimiter.every((byte, index) => byte === buffer[index])
    return isDelimiter ? 0 : 2
  }

  #tell(bytes: Uint8Array): void {
    // a preamble is to be ignored
    if (this.#state === BODY) this.#events.onBody(bytes)
  }

  /** A delimiter has no CR but its first byte, so only the last CR can be the start of one. */
  #mayStart(tail: Uint8Array): boolean {
    return tail.length < this.#delimiter.length && tail.every((byte, index) => byte === this.#delimiter[index])
  }

  /** After a delimiter: `--` ends the body; white space and a line end start a part. */
  #scanAfter(buffer: Uint8Array): number {
    if (buffer[0] === 0x2d) {
      if (buffer.length === 1) return -1
      if (buffer[1] !== 0x2d) return this.#syntax()
      this.#state = EPILOGUE
      return 2
    }
    let at = 0
    while (buffer[at] === 0x20 || buffer[at] === 0x09) at++
    if (at > 256) return this.#syntax()
    if (at + 1 >= buffer.length && (buffer[at] === undefined || buffer[at] === CR)) return -1
    if (buffer[at] !== CR || buffer[at + 1] !== LF) return this.#syntax()
    this.#state = HEAD
    return at + 2
  }

  #syntax(): number {
    this.#fail("Syntax")
    return 0
  }

  #scanHead(buffer: Uint8Array): number {
    const end = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length).indexOf("\r\n\r\n")
    if ((end === -1 ? buffer.length : end) > this.#limits.headerBytes) {
      this.#fail("HeaderBytes", this.#limits.headerBytes)
      return 0
    }
    if (end === -1) return -1
    if (++this.#parts > this.#limits.parts) {
      this.#fail("Parts", this.#limits.parts)
      return 0
    }
    const head = parseHead(buffer.subarray(0, end))
    if ("_tag" in head) {
      this.#state = FAILED
      this.#failure = head
      return 0
    }
    this.#events.onPart(head)
    this.#state = FIRST
    return end + 2
  }
}
