// @effect-diagnostics preferSchemaOverJson:off -- json promises unknown, as platform's own responses do
import { DecodeError } from "../HttpError.ts"

const utf8 = new TextDecoder()
const charset = /;\s*charset\s*=\s*"?([^\s;",]+)/i
const maxLine = 1_048_576

const isUnknownLabel = (cause: unknown): boolean => cause instanceof RangeError

/** The decoder for a Content-Type: of the charset that it names (any label of WHATWG's Encoding), else of UTF-8. */
const decoderOf = (contentType: string | undefined): TextDecoder | DecodeError => {
  const label = contentType === undefined ? undefined : charset.exec(contentType)?.[1]
  try {
    return new TextDecoder(label)
  } catch (cause) {
    if (isUnknownLabel(cause)) return new DecodeError({ reason: "Charset" })
    throw cause
  }
}

/** The text of a whole body. Bytes that are no text become U+FFFD, as on the web. @internal */
export const decodeText = (bytes: Uint8Array, contentType: string | undefined): string | DecodeError => {
  if (contentType === undefined || !charset.test(contentType)) return utf8.decode(bytes)
  const decoder = decoderOf(contentType)
  return "reason" in decoder ? decoder : decoder.decode(bytes)
}

/** The value of a JSON text; null for the empty one. @internal */
export const parseJson = (text: string): { readonly value: unknown } | DecodeError => {
  try {
    return { value: text === "" ? null : JSON.parse(text) }
  } catch (cause) {
    // what JSON.parse says quotes the text, which no error may
    if (cause instanceof SyntaxError) return new DecodeError({ reason: "Json" })
    throw cause
  }
}

/**
 * Cuts text that arrives in pieces into lines, which end with LF or CR LF.
 *
 * @internal
 */
export class LineDecoder {
  readonly #decoder: TextDecoder
  #rest = ""

  private constructor(decoder: TextDecoder) {
    this.#decoder = decoder
  }

  static make(contentType: string | undefined): LineDecoder | DecodeError {
    const decoder = decoderOf(contentType)
    return "reason" in decoder ? decoder : new LineDecoder(decoder)
  }

  /** The lines that are complete now. */
  push(bytes: Uint8Array): ReadonlyArray<string> | DecodeError {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n")
    this.#rest = lines.pop() ?? ""
    if (this.#rest.length > maxLine) return new DecodeError({ reason: "Line" })
    return lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
  }

  /** The last line, if it has no end of its own. */
  finish(): ReadonlyArray<string> {
    const last = this.#rest + this.#decoder.decode()
    return last === "" ? [] : [last]
  }
}
