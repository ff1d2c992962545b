import * as Schema from "effect/Schema"
import * as HttpError from "../HttpError.ts"
import { errorOf } from "./callWorker.ts"
import type { WorkerBridge } from "./callWorker.ts"
import { decodeText, LineDecoder, parseJson } from "./decodeText.ts"
import type { EncodedError, ResponseMessage } from "./modelCalls.ts"

const isDecodeError = Schema.is(HttpError.DecodeError)

const orThrow = <A>(value: A | HttpError.DecodeError): A => {
  if (isDecodeError(value)) throw value
  return value
}

/**
 * A response of any status. Its body is read once as chunks or lines, or as often as one likes otherwise. A body that is
 * not read holds its connection; `close()` gives it back.
 *
 * @since 0.1.0
 * @category models
 */
export class Response implements Disposable {
  readonly status: number
  /** Names in lower case; repeated fields are joined by commas. */
  readonly headers: Readonly<Record<string, string>>
  /** The URL that answered, after redirects. */
  readonly url: string
  readonly #bridge: WorkerBridge
  readonly #id: number
  readonly #millis: number
  #bytes: Uint8Array | undefined
  readonly #failure: EncodedError | undefined
  #taken = false

  /** @internal */
  constructor(bridge: WorkerBridge, id: number, millis: number, message: ResponseMessage) {
    this.status = message.status
    this.headers = message.headers
    this.url = message.url
    this.#bridge = bridge
    this.#id = id
    this.#millis = millis
    if (message.body instanceof Uint8Array) this.#bytes = message.body
    else this.#failure = message.body
  }

  #whole(): Uint8Array {
    return this.#bytes ??= Buffer.concat([...this.chunks()])
  }

  /** The body as text, in the charset of its Content-Type or UTF-8. */
  text(): string {
    return orThrow(decodeText(this.#whole(), this.headers["content-type"]))
  }

  /** The body as JSON, null when it is empty. */
  json(): unknown {
    return orThrow(parseJson(this.text())).value
  }

  /** The body, in an array of one's own. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#whole())
  }

  /**
   * The body in pieces of at most 256 KiB, each asked for when it is wanted; the server waits in between. Leaving the
   * loop early gives up the rest.
   */
  *chunks(): Generator<Uint8Array, void> {
    if (this.#failure !== undefined) throw errorOf(this.#failure)
    if (this.#bytes !== undefined) {
      if (this.#bytes.length > 0) yield new Uint8Array(this.#bytes)
      return
    }
    if (this.#taken) throw new HttpError.BodyConsumed({ origin: new URL(this.url).origin })
    this.#taken = true
    let ended = false
    try {
      while (true) {
        const bytes = this.#bridge.call(
          this.#bridge.nextId,
          { op: "read", response: this.#id },
          { millis: this.#millis, url: this.url }
        )
        if (bytes === undefined) break
        yield bytes
      }
      ended = true
    } finally {
      if (!ended) this.close()
    }
  }

  /** The body as lines without their ends (LF or CR LF), read like `chunks`. A line has at most 1 MiB. */
  *lines(): Generator<string, void> {
    const decoder = orThrow(LineDecoder.make(this.headers["content-type"]))
    for (const bytes of this.chunks()) yield* orThrow(decoder.push(bytes))
    yield* decoder.finish()
  }

  /** Give up what was not read of the body. */
  close(): void {
    if (this.#bytes !== undefined || this.#failure !== undefined || !this.#bridge.running) return
    this.#bridge.call(
      this.#bridge.nextId,
      { op: "release", response: this.#id },
      { millis: Number.POSITIVE_INFINITY, url: "" }
    )
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
