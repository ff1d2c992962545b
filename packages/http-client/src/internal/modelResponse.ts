/** What a response is made of; exported through `Http1`. */
import { trimSpace } from "./scanBytes.ts"

/**
 * A field as it was received: the name in lower case, the value without surrounding white space, one character per
 * byte.
 *
 * @since 0.1.0
 * @category models
 */
export type Field = readonly [name: string, value: string]

/**
 * The fields in a validated block of `name: value` lines.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseFields = (block: string): ReadonlyArray<Field> => {
  const fields: Array<Field> = []
  let from = 0
  while (from < block.length) {
    let to = block.indexOf("\r\n", from)
    if (to === -1) to = block.length
    const colon = block.indexOf(":", from)
    if (colon === -1 || colon > to) break
    fields.push([block.slice(from, colon).toLowerCase(), trimSpace(block.slice(colon + 1, to))])
    from = to + 2
  }
  return fields
}

const contentTypeField = /(?:^|\n)content-type:([^\r]*)/i

/**
 * The head of a final response. The fields are parsed when they are first asked for.
 *
 * @since 0.1.0
 * @category models
 */
export class ResponseHead {
  readonly version: "1.0" | "1.1"
  readonly status: number
  readonly framing: "none" | "length" | "chunked" | "close"
  /** The declared length, or -1. */
  readonly contentLength: number
  /** The server keeps the connection open after this response. */
  readonly keepAlive: boolean
  /** Seconds that the server promises to wait for the next request (`Keep-Alive: timeout=`), or -1. */
  readonly keepAliveSeconds: number
  readonly #reasonPhrase: string
  readonly #block: string
  #fields: ReadonlyArray<Field> | undefined

  constructor(
    version: "1.0" | "1.1",
    status: number,
    framing: "none" | "length" | "chunked" | "close",
    contentLength: number,
    keepAlive: boolean,
    keepAliveSeconds: number,
    reasonPhrase: string,
    block: string
  ) {
    this.version = version
    this.status = status
    this.framing = framing
    this.contentLength = contentLength
    this.keepAlive = keepAlive
    this.keepAliveSeconds = keepAliveSeconds
    this.#reasonPhrase = reasonPhrase
    this.#block = block
  }

  get reasonPhrase(): string {
    return this.#reasonPhrase
  }

  /** The first Content-Type, found without taking the other fields apart. */
  get contentType(): string | undefined {
    const value = contentTypeField.exec(this.#block)?.[1]
    return value === undefined ? undefined : trimSpace(value)
  }

  /** Every field in the order of arrival, repeated names included. */
  get fields(): ReadonlyArray<Field> {
    return this.#fields ??= parseFields(this.#block)
  }
}

/**
 * What a `ResponseReader` tells. The bytes given to `onBody` are a view that is valid only during the call.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseEvents {
  readonly onInformational?: (status: number) => void
  readonly onHead: (head: ResponseHead) => void
  readonly onBody: (bytes: Uint8Array) => void
  readonly onEnd: (trailers: ReadonlyArray<Field>) => void
}
