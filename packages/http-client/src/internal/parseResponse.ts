import { BodyTooLarge, HeadersTooLarge, ProtocolError } from "../HttpError.ts"
import type { ProtocolReason } from "../HttpError.ts"
import * as Limits from "../Limits.ts"
import { parseFields, ResponseHead } from "./modelResponse.ts"
import type { Field, ResponseEvents } from "./modelResponse.ts"
import { COLON, CR, HEX, HTAB, latin1, LF, SEMICOLON, SP, TOKEN, trimSpace, VALUE } from "./scanBytes.ts"

/**
 * Why a parser stopped.
 *
 * @since 0.1.0
 * @category models
 */
export type ResponseFailure = ProtocolError | HeadersTooLarge | BodyTooLarge

const DONE = 0
const HEAD = 1
const BODY_LENGTH = 2
const BODY_CLOSE = 3
const CHUNK_SIZE = 4
const CHUNK_EXTENSION = 5
const CHUNK_LINE = 6
const CHUNK_DATA = 7
const CHUNK_CR = 8
const CHUNK_LF = 9
const TRAILERS = 10
const FAILED = 11

const protocolName = new Uint8Array([0x48, 0x54, 0x54, 0x50, 0x2f])
const maxSizeDigits = 13
const digits = /^[0-9]{1,15}$/
const keepAliveTimeout = /(?:^|[\s,;])timeout\s*=\s*"?([0-9]{1,6})/i
const extensions =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)*$/
const noFields: ReadonlyArray<Field> = []
const nothing = new Uint8Array(0)

/**
 * Incremental reader of the responses of one connection, with callbacks: `start` names the method that is answered, `push` takes
 * bytes in any division, `finish` says that no more will come. Both give the failure that stops it, if any.
 *
 * What is refused: a line end that is not CR LF, folded lines, control characters, white space around a name, more
 * than one Content-Length or one that is not plain decimal digits, Content-Length beside Transfer-Encoding, a transfer
 * coding other than a single `chunked`, chunk sizes of more than 13 digits or followed by white space, an upgrade,
 * an end before the end, and everything over the limits.
 *
 * @since 0.1.0
 * @category decoding
 */
export class ResponseReader {
  readonly #events: ResponseEvents
  readonly #limits: Limits.Limits
  #method = "GET"
  #upgrade = false
  #state = DONE
  /** Bytes of this response before this push. */
  #offset = 0
  /** Bytes of this response before the buffer that is scanned: the pushed one or the carried copy. */
  #base = 0
  /** The same for the pushed buffer. */
  #pushed = 0
  /** An unfinished head or trailer section, copied because the buffer is not ours. */
  #carry: Uint8Array = nothing
  #carried = 0
  /** Where the unfinished line starts, relative to the section. */
  #line = 0
  #fieldCount = 0
  #informational = 0
  #status = 0
  #minor = 1
  #reasonPhrase = ""
  #fieldsFrom = 0
  #contentLength = -1
  #chunked = false
  #close = false
  #keep = false
  #keepSeconds = -1
  #remaining = 0
  #received = 0
  #sizeDigits = 0
  #extension = ""
  #extensionBytes = 0
  #failure: ResponseFailure | undefined
  /** Bytes that came after the end of the response. */
  excess = 0

  constructor(events: ResponseEvents, limits: Limits.Limits = Limits.defaults) {
    this.#events = events
    this.#limits = limits
  }

  /**
   * Expect the response to a request with this method. 101 is a final response to one that asked for an `upgrade`: it has
   * no body, and the bytes that follow it (`excess` of the last push) belong to the other protocol.
   */
  start(method: string, upgrade = false): void {
    this.#method = method
    this.#upgrade = upgrade
    this.#state = HEAD
    this.#offset = 0
    this.#base = 0
    this.#received = 0
    this.#informational = 0
    this.#extensionBytes = 0
    this.excess = 0
    this.#failure = undefined
    this.#startSection()
  }

  /** The response has ended (or none was started). */
  get done(): boolean {
    return this.#state === DONE
  }

  /** Some byte of the response has arrived. */
  get begun(): boolean {
    return this.#offset > 0 || this.#carried > 0
  }

  /** Take `bytes[from, end)`. */
  push(bytes: Uint8Array, end: number = bytes.length, from = 0): ResponseFailure | undefined {
    this.#pushed = this.#offset - from
    this.#base = this.#pushed
    let at = from
    while (at < end) {
      switch (this.#state) {
        case HEAD:
        case TRAILERS:
          at = this.#pushSection(bytes, at, end)
          break
        case BODY_LENGTH:
          at = this.#pushLength(bytes, at, end)
          break
        case BODY_CLOSE:
          at = this.#pushClose(bytes, at, end)
          break
        case DONE:
          this.excess += end - at
          return undefined
        case FAILED:
          return this.#failure
        default:
          at = this.#pushChunked(bytes, at, end)
      }
    }
    this.#offset += end - from
    this.#base = this.#offset
    return this.#failure
  }

  /** No more bytes will come. */
  finish(): ResponseFailure | undefined {
    switch (this.#state) {
      case DONE:
      case FAILED:
        return this.#failure
      case BODY_CLOSE:
        this.#end(noFields)
        return undefined
      case HEAD:
        // a line that is wrong so far is reported as such, however the bytes were divided
        this.#base -= this.#carried
        this.#scanSection(this.#carry, 0, this.#carried, true)
        this.#base = this.#offset
        if (this.#failure === undefined) this.#fail("TruncatedHead", 0)
        return this.#failure
      default:
        this.#fail("TruncatedBody", 0)
        return this.#failure
    }
  }

  #fail(reason: ProtocolReason, at: number): number {
    return this.#stop(new ProtocolError({ reason, offset: this.#base + at }))
  }

  #stop(failure: ResponseFailure): number {
    this.#failure = failure
    this.#state = FAILED
    return Number.POSITIVE_INFINITY
  }

  #end(trailers: ReadonlyArray<Field>): void {
    this.#state = DONE
    this.#events.onEnd(trailers)
  }

  #startSection(): void {
    this.#carried = 0
    this.#line = 0
    this.#fieldCount = 0
    this.#status = 0
    this.#contentLength = -1
    this.#chunked = false
    this.#close = false
    this.#keep = false
    this.#keepSeconds = -1
  }

  // -------------------------------------------------------------------------------------------- head and trailers

  #pushSection(bytes: Uint8Array, at: number, end: number): number {
    if (this.#carried === 0) {
      const next = this.#scanSection(bytes, at, Math.min(end, at + this.#limits.headerBytes), false)
      if (next !== -1) return next
      if (this.#isForeign(bytes, at, end)) return this.#fail("StatusLine", at)
      if (end - at >= this.#limits.headerBytes) return this.#tooLarge(bytes, at, at + this.#limits.headerBytes)
      this.#keepForLater(bytes, at, end)
      return end
    }
    const before = this.#carried
    const taken = Math.min(end - at, this.#limits.headerBytes - before)
    this.#keepForLater(bytes, at, at + taken)
    this.#base += at - before
    const next = this.#carry.lastIndexOf(LF, this.#carried - 1) >= before
      ? this.#scanSection(this.#carry, 0, this.#carried, false)
      : -1
    if (next === -1) {
      if (this.#isForeign(this.#carry, 0, this.#carried)) return this.#fail("StatusLine", 0)
      if (this.#carried >= this.#limits.headerBytes) return this.#tooLarge(this.#carry, 0, this.#carried)
      this.#base = this.#pushed
      return end
    }
    // the scan ended inside the copy: go on with the pushed bytes after it
    this.#base = this.#pushed
    this.#carried = 0
    return at + next - before
  }

  /** What has come of the status line is not HTTP: another protocol may never end its line. */
  #isForeign(bytes: Uint8Array, from: number, end: number): boolean {
    if (this.#state !== HEAD || this.#status !== 0) return false
    for (let i = 0; i < protocolName.length && from + i < end; i++) {
      if (bytes[from + i] !== protocolName[i]) return true
    }
    return false
  }

  #keepForLater(bytes: Uint8Array, from: number, to: number): void {
    const size = this.#carried + to - from
    if (size > this.#carry.length) {
      const grown = new Uint8Array(Math.min(Math.max(1024, size * 2), Math.max(size, this.#limits.headerBytes)))
      grown.set(this.#carry.subarray(0, this.#carried))
      this.#carry = grown
    }
    this.#carry.set(bytes.subarray(from, to), this.#carried)
    this.#carried = size
  }

  /** The section does not end within the limit; a line that is wrong so far is the better answer. */
  #tooLarge(bytes: Uint8Array, from: number, to: number): number {
    this.#scanSection(bytes, from, to, true)
    return this.#failure === undefined
      ? this.#stop(new HeadersTooLarge({ limit: "headerBytes", maximum: this.#limits.headerBytes }))
      : Number.POSITIVE_INFINITY
  }

  /**
   * Read the complete lines of `bytes[from, end)`, a section from its start. Gives the index after the section, -1
   * when it goes on, or infinity after a failure. With `partial`, the unfinished last line is checked as well.
   */
  #scanSection(bytes: Uint8Array, from: number, end: number, partial: boolean): number {
    // every line up to the last LF is complete, so the loops below stop at an LF at the latest
    const lastLf = partial ? end : bytes.lastIndexOf(LF, end - 1)
    let at = from + this.#line
    while (at <= lastLf && at < end) {
      if (this.#state === HEAD && this.#status === 0) {
        if (partial) return -1
        at = this.#scanStatusLine(bytes, at)
        if (at === Number.POSITIVE_INFINITY) return at
        this.#fieldsFrom = at - from
      } else if (bytes[at] === CR) {
        if (at + 1 >= end) break
        if (bytes[at + 1] !== LF) return this.#fail("LineEnding", at)
        return this.#endSection(bytes, from, at)
      } else {
        at = this.#scanField(bytes, at, end)
        if (at === -1) break
        if (at === Number.POSITIVE_INFINITY) return at
      }
      this.#line = at - from
    }
    return -1
  }

  #scanStatusLine(bytes: Uint8Array, from: number): number {
    const lineEnd = bytes.indexOf(LF, from) - 1
    if (
      bytes[from] !== 0x48 || bytes[from + 1] !== 0x54 || bytes[from + 2] !== 0x54 || bytes[from + 3] !== 0x50 ||
      bytes[from + 4] !== 0x2f
    ) return this.#fail("StatusLine", from)
    if (bytes[lineEnd] !== CR) return this.#fail("LineEnding", lineEnd + 1)
    const minor = bytes[from + 7]
    if (bytes[from + 5] !== 0x31 || bytes[from + 6] !== 0x2e || (minor !== 0x30 && minor !== 0x31)) {
      return this.#fail("Version", from + 5)
    }
    if (bytes[from + 8] !== SP) return this.#fail("Version", from + 8)
    let status = 0
    for (let i = from + 9; i < from + 12; i++) {
      const digit = (bytes[i] ?? 0) - 0x30
      if (digit < 0 || digit > 9) return this.#fail("Status", i)
      status = status * 10 + digit
    }
    if (status < 100 || (bytes[from + 12] !== SP && from + 12 !== lineEnd)) return this.#fail("Status", from + 9)
    for (let i = from + 12; i < lineEnd; i++) {
      if (VALUE[bytes[i] ?? 0] === 0) return this.#fail(bytes[i] === CR ? "LineEnding" : "StatusLine", i)
    }
    this.#minor = minor - 0x30
    this.#status = status
    this.#reasonPhrase = lineEnd > from + 13 ? latin1(bytes, from + 13, lineEnd) : ""
    return lineEnd + 2
  }

  #scanField(bytes: Uint8Array, from: number, end: number): number {
    let at = from
    while (at < end && TOKEN[bytes[at] ?? 0] === 1) at++
    if (at >= end) return -1
    const nameEnd = at
    if (bytes[at] !== COLON || at === from) return this.#failName(bytes[at] ?? 0, at, from)
    at++
    while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++
    const valueFrom = at
    while (at < end && VALUE[bytes[at] ?? 0] === 1) at++
    if (at >= end) return -1
    if (bytes[at] !== CR) return this.#fail(bytes[at] === LF ? "LineEnding" : "HeaderValue", at)
    if (at + 1 >= end) return -1
    if (bytes[at + 1] !== LF) return this.#fail("LineEnding", at + 1)
    if (++this.#fieldCount > this.#limits.headerCount) {
      return this.#stop(new HeadersTooLarge({ limit: "headerCount", maximum: this.#limits.headerCount }))
    }
    const length = nameEnd - from
    if (length === 14 || length === 17 || length === 10) {
      if (!this.#readFraming(bytes, from, nameEnd, valueFrom, at)) return Number.POSITIVE_INFINITY
    }
    return at + 2
  }

  #failName(code: number, at: number, from: number): number {
    if (at === from && (code === SP || code === HTAB)) return this.#fail("ObsoleteFold", at)
    return this.#fail(code === LF || code === CR ? "LineEnding" : "HeaderName", at)
  }

  /** Take note of a field that frames the message or says what becomes of the connection. */
  #readFraming(bytes: Uint8Array, from: number, nameEnd: number, valueFrom: number, valueEnd: number): boolean {
    const name = latin1(bytes, from, nameEnd).toLowerCase()
    switch (name) {
      case "content-length": {
        const value = trimSpace(latin1(bytes, valueFrom, valueEnd))
        if (this.#state === TRAILERS) return this.#fail("Trailer", from) === 0
        if (this.#contentLength !== -1 || !digits.test(value)) return this.#fail("ContentLength", valueFrom) === 0
        this.#contentLength = Number(value)
        return true
      }
      case "transfer-encoding": {
        // a tab after it is legal white space, but there are parsers that then see no chunks
        const value = latin1(bytes, valueFrom, valueEnd).replace(/ +$/, "").toLowerCase()
        if (this.#state === TRAILERS) return this.#fail("Trailer", from) === 0
        if (this.#chunked || value !== "chunked" || this.#minor === 0) {
          return this.#fail("TransferEncoding", valueFrom) === 0
        }
        this.#chunked = true
        return true
      }
      case "connection": {
        for (const option of latin1(bytes, valueFrom, valueEnd).toLowerCase().split(",")) {
          const token = trimSpace(option)
          if (token === "close") this.#close = true
          else if (token === "keep-alive") this.#keep = true
        }
        return true
      }
      case "keep-alive": {
        const seconds = keepAliveTimeout.exec(latin1(bytes, valueFrom, valueEnd))
        if (seconds !== null) this.#keepSeconds = Number(seconds[1])
        return true
      }
      default:
        return true
    }
  }

  #endSection(bytes: Uint8Array, from: number, at: number): number {
    const next = at + 2
    if (this.#state === TRAILERS) {
      const block = this.#fieldCount === 0 ? "" : latin1(bytes, from, at)
      this.#end(block === "" ? noFields : parseFields(block))
      return next
    }
    const status = this.#status
    if (status === 101 && (!this.#upgrade || this.#chunked || this.#contentLength !== -1)) {
      return this.#fail("Upgrade", from)
    }
    if (this.#chunked && this.#contentLength !== -1) return this.#fail("ConflictingFraming", from)
    if (status < 200 && status !== 101) {
      if (++this.#informational > this.#limits.informational) return this.#fail("InformationalFlood", from)
      this.#events.onInformational?.(status)
      this.#startSection()
      return next
    }
    const block = latin1(bytes, from + this.#fieldsFrom, at)
    return this.#startBody(block, next)
  }

  #startBody(block: string, next: number): number {
    const status = this.#status
    const bodyless = this.#method === "HEAD" || status === 204 || status === 304 || status === 101 ||
      (this.#method === "CONNECT" && status < 300)
    const length = this.#contentLength
    const framing = bodyless ? "none" : this.#chunked ? "chunked" : length !== -1 ? "length" : "close"
    if (!bodyless && length > this.#limits.bodyBytes) {
      return this.#stop(new BodyTooLarge({ maximum: this.#limits.bodyBytes }))
    }
    const keepAlive = framing !== "close" && !this.#close && (this.#minor === 1 || this.#keep)
    this.#state = framing === "length"
      ? BODY_LENGTH
      : framing === "chunked"
      ? CHUNK_SIZE
      : framing === "close"
      ? BODY_CLOSE
      : DONE
    this.#remaining = framing === "length" ? length : 0
    this.#sizeDigits = 0
    this.#events.onHead(
      new ResponseHead(
        this.#minor === 1 ? "1.1" : "1.0",
        status,
        framing,
        length,
        keepAlive,
        this.#keepSeconds,
        this.#reasonPhrase,
        block
      )
    )
    if (framing === "none" || (framing === "length" && length === 0)) this.#end(noFields)
    return next
  }

  // --------------------------------------------------------------------------------------------------------- body

  #pushLength(bytes: Uint8Array, at: number, end: number): number {
    const to = Math.min(end, at + this.#remaining)
    this.#remaining -= to - at
    this.#events.onBody(bytes.subarray(at, to))
    if (this.#remaining === 0) this.#end(noFields)
    return to
  }

  #pushClose(bytes: Uint8Array, at: number, end: number): number {
    this.#received += end - at
    if (this.#received > this.#limits.bodyBytes) {
      return this.#stop(new BodyTooLarge({ maximum: this.#limits.bodyBytes }))
    }
    this.#events.onBody(bytes.subarray(at, end))
    return end
  }

  #pushChunked(bytes: Uint8Array, at: number, end: number): number {
    const code = bytes[at] ?? 0
    switch (this.#state) {
      case CHUNK_SIZE: {
        const digit = HEX[code] ?? 255
        if (digit !== 255) {
          if (++this.#sizeDigits > maxSizeDigits) return this.#fail("ChunkSize", at)
          this.#remaining = this.#remaining * 16 + digit
          return at + 1
        }
        if (this.#sizeDigits === 0 || (code !== CR && code !== SEMICOLON)) return this.#fail("ChunkSize", at)
        this.#extension = ""
        this.#state = code === CR ? CHUNK_LINE : CHUNK_EXTENSION
        return code === CR ? at + 1 : at
      }
      case CHUNK_EXTENSION:
        return this.#pushExtension(bytes, at, end)
      case CHUNK_LINE:
        return code === LF ? this.#startChunk(at + 1) : this.#fail("LineEnding", at)
      case CHUNK_DATA: {
        const to = Math.min(end, at + this.#remaining)
        this.#remaining -= to - at
        if (this.#remaining === 0) this.#state = CHUNK_CR
        this.#events.onBody(bytes.subarray(at, to))
        return to
      }
      case CHUNK_CR:
        if (code !== CR) return this.#fail("ChunkEnd", at)
        this.#state = CHUNK_LF
        return at + 1
      default:
        if (code !== LF) return this.#fail("ChunkEnd", at)
        this.#state = CHUNK_SIZE
        this.#sizeDigits = 0
        return at + 1
    }
  }

  #pushExtension(bytes: Uint8Array, from: number, end: number): number {
    let at = from
    while (at < end && VALUE[bytes[at] ?? 0] === 1) at++
    this.#extensionBytes += at - from
    const limit = this.#limits.chunkExtensionBytes
    if (this.#extensionBytes > limit) {
      return this.#stop(new HeadersTooLarge({ limit: "chunkExtensionBytes", maximum: limit }))
    }
    this.#extension += latin1(bytes, from, at)
    if (at === end) return at
    if (bytes[at] !== CR) return this.#fail(bytes[at] === LF ? "LineEnding" : "ChunkExtension", at)
    if (!extensions.test(this.#extension)) return this.#fail("ChunkExtension", at)
    this.#state = CHUNK_LINE
    return at + 1
  }

  #startChunk(next: number): number {
    if (this.#remaining === 0) {
      this.#state = TRAILERS
      this.#startSection()
      return next
    }
    this.#received += this.#remaining
    if (this.#received > this.#limits.bodyBytes) {
      return this.#stop(new BodyTooLarge({ maximum: this.#limits.bodyBytes }))
    }
    this.#state = CHUNK_DATA
    return next
  }
}
