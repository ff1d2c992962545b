/**
 * JSON that is exact or refused.
 *
 * @internal
 */
import * as Either from "effect/Either"
import { SerializationError } from "../SecureSessionsError.ts"
import type { Json } from "../Session.ts"

/** Levels of nesting. @internal */
export const maxDepth = 512

type Refusal = "NotJson" | "TooDeep"

/** @internal */
export const isPlainObject = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const hasLoneSurrogate = (text: string): boolean => /\p{Surrogate}/u.test(text)

/** One walk over the value writes the text, so that what was checked is what is written. */
class Writer {
  readonly parts: Array<string> = []
  readonly path: Array<number> = []

  text(value: string): Refusal | undefined {
    if (hasLoneSurrogate(value)) return "NotJson"
    this.parts.push(JSON.stringify(value))
    return undefined
  }

  value(value: unknown): Refusal | undefined {
    switch (typeof value) {
      case "string":
        return this.text(value)
      case "number":
        if (!Number.isFinite(value) || Object.is(value, -0)) return "NotJson"
        this.parts.push(String(value))
        return undefined
      case "boolean":
        this.parts.push(value ? "true" : "false")
        return undefined
      case "object":
        if (value === null) {
          this.parts.push("null")
          return undefined
        }
        if (this.path.length >= maxDepth) return "TooDeep"
        if (Array.isArray(value)) return this.array(value)
        return isPlainObject(value) && Object.getOwnPropertySymbols(value).length === 0 ? this.object(value) : "NotJson"
      default:
        return "NotJson"
    }
  }

  array(value: ReadonlyArray<unknown>): Refusal | undefined {
    // A hole or a named property would be lost.
    if (Object.keys(value).length !== value.length) return "NotJson"
    this.parts.push("[")
    for (let index = 0; index < value.length; index++) {
      if (index > 0) this.parts.push(",")
      this.path.push(index)
      const refusal = this.value(value[index])
      if (refusal !== undefined) return refusal
      this.path.pop()
    }
    this.parts.push("]")
    return undefined
  }

  object(value: object): Refusal | undefined {
    this.parts.push("{")
    let ordinal = 0
    for (const [key, member] of Object.entries(value)) {
      if (ordinal > 0) this.parts.push(",")
      this.path.push(ordinal++)
      const refusal = this.text(key)
      if (refusal !== undefined) return refusal
      this.parts.push(":")
      const inner = this.value(member)
      if (inner !== undefined) return inner
      this.path.pop()
    }
    this.parts.push("}")
    return undefined
  }
}

/**
 * UTF-8 of the JSON text of a value that JSON carries exactly.
 *
 * @internal
 */
export const encodeJson = (value: unknown): Either.Either<Uint8Array, SerializationError> => {
  const writer = new Writer()
  const refusal = writer.value(value)
  return refusal === undefined
    ? Either.right(Buffer.from(writer.parts.join(""), "utf8"))
    : Either.left(new SerializationError({ reason: refusal, path: writer.path }))
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * The value of opened bytes, or nothing when they are not the UTF-8 of a JSON text. `__proto__` becomes an own property,
 * never a prototype.
 *
 * @internal
 */
export const parseJson = (bytes: Uint8Array): Json | undefined => {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    // what these two throw quotes the text
    return undefined
  }
}

/** @internal */
export const decodeJson = (bytes: Uint8Array): Either.Either<Json, SerializationError> => {
  const value = parseJson(bytes)
  return value === undefined
    ? Either.left(new SerializationError({ reason: "Malformed", path: [] }))
    : Either.right(value)
}
