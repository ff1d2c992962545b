/** Character classes of RFC 9110 and the few byte constants that the codec needs. */

/** @internal */
export const HTAB = 0x09
/** @internal */
export const LF = 0x0a
/** @internal */
export const CR = 0x0d
/** @internal */
export const SP = 0x20
/** @internal */
export const COLON = 0x3a
/** @internal */
export const SEMICOLON = 0x3b

const table = (accept: (code: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, code) => accept(code) ? 1 : 0)

const tokenPunctuation = new Set("!#$%&'*+-.^_`|~".split("").map((char) => char.charCodeAt(0)))

/** 1 for `tchar` (RFC 9110 §5.6.2). @internal */
export const TOKEN: Uint8Array = table((code) =>
  (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) ||
  tokenPunctuation.has(code)
)

/** 1 for what a field value may hold: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). @internal */
export const VALUE: Uint8Array = table((code) => code === HTAB || (code >= SP && code !== 0x7f))

/** Value of a hexadecimal digit, 255 for everything else. @internal */
export const HEX: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(digit) ? 255 : digit
})

/** Bytes as ISO 8859-1 text: one character per byte, nothing lost. @internal */
export const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.isBuffer(bytes)
    ? bytes.toString("latin1", from, to)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", from, to)

const isSpace = (code: number): boolean => code === SP || code === HTAB

/**
 * Without the white space that may surround a value (RFC 9110 §5.6.3): not that of Unicode, which 0xA0 is in ISO 8859-1.
 *
 * @internal
 */
export const trimSpace = (text: string): string => {
  let from = 0
  let to = text.length
  while (from < to && isSpace(text.charCodeAt(from))) from++
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}
