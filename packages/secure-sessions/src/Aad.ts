/**
 * Additional authenticated data: what binds a ciphertext to its place.
 *
 * The encoding is injective: `count ‖ (length ‖ bytes)*` with 64-bit little-endian numbers, so no two different lists
 * of fields share an encoding (the idea of pre-authentication encoding in PASETO). Text is UTF-16LE code units, which
 * gives every JavaScript string exactly one form, ill-formed ones too. Byte layout: `envelope-spec.md`.
 *
 * @since 0.1.0
 */

/**
 * Whose data key seals a record. The user `""` is the scope that all users of the app share.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyScope {
  readonly app: string
  readonly user: string
}

/**
 * Where a record lies within its scope. A record opens only at the place where it was sealed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  /** Default `""`. */
  readonly session?: string | undefined
  readonly table: string
  readonly column: string
  /** Row, key or event id. Default `""`. */
  readonly id?: string | undefined
  /** Position or write stamp, a safe integer of 0 or more. Default 0. */
  readonly sequence?: number | undefined
}

/**
 * A field of the encoding: text, bytes or an unsigned safe integer.
 *
 * @category models
 * @since 0.1.0
 */
export type Field = string | Uint8Array | number

const lengthOf = (field: Field): number =>
  typeof field === "string" ? field.length * 2 : typeof field === "number" ? 8 : field.length

const writeUint32 = (out: Uint8Array, value: number, at: number): void => {
  out[at] = value
  out[at + 1] = value >>> 8
  out[at + 2] = value >>> 16
  out[at + 3] = value >>> 24
}

const writeUint64 = (out: Uint8Array, value: number, at: number): number => {
  // lengths are short, and a remainder is slow
  const high = value < 0x1_0000_0000 ? 0 : Math.floor(value / 0x1_0000_0000)
  writeUint32(out, high === 0 ? value : value - high * 0x1_0000_0000, at)
  writeUint32(out, high, at + 4)
  return at + 8
}

/** Ids are short, and for short text this loop is faster than a call into the runtime. */
const writeText = (out: Uint8Array, text: string, at: number): number => {
  if (text.length > 64) {
    const bytes = Buffer.from(text, "utf16le")
    out.set(bytes, at)
    return at + bytes.length
  }
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    out[at++] = unit
    out[at++] = unit >>> 8
  }
  return at
}

/**
 * Encodes a list of fields. A number is the eight bytes of its unsigned 64-bit little-endian form.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (fields: ReadonlyArray<Field>): Uint8Array => {
  let size = 8
  for (const field of fields) size += 8 + lengthOf(field)
  const out = Buffer.allocUnsafe(size)
  let at = writeUint64(out, fields.length, 0)
  for (const field of fields) {
    at = writeUint64(out, lengthOf(field), at)
    if (typeof field === "string") at = writeText(out, field, at)
    else if (typeof field === "number") at = writeUint64(out, field, at)
    else {
      out.set(field, at)
      at += field.length
    }
  }
  return out
}

/**
 * The additional data of an envelope: its whole header and its place.
 *
 * @category encoding
 * @since 0.1.0
 */
export const ofPlace = (header: Uint8Array, scope: KeyScope, place: Place): Uint8Array =>
  encode([
    header,
    scope.app,
    scope.user,
    place.session ?? "",
    place.table,
    place.column,
    place.id ?? "",
    place.sequence ?? 0
  ])

/** Puts id and sequence of a place, of an id as long, where those of another stand in `ofPlace`. @internal */
export const replaceEnd = (encoded: Uint8Array, { id = "", sequence = 0 }: Place): void => {
  const at = encoded.length - 8
  writeText(encoded, id, at - 8 - id.length * 2)
  writeUint64(encoded, sequence, at)
}
