/**
 * Reading `Set-Cookie` as RFC 6265bis (draft-ietf-httpbis-rfc6265bis) tells user agents to: pure functions, no I/O.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * A cookie as a server sent it, before anything was decided about it. `expires` counts milliseconds since 1970,
 * `maxAge` seconds. `path` is undefined when the default path applies.
 *
 * @since 0.1.0
 * @category models
 */
export interface SetCookie {
  readonly name: string
  readonly value: string
  readonly expires: number | undefined
  readonly maxAge: number | undefined
  /** Lower case, without a leading dot; undefined for the host alone. */
  readonly domain: string | undefined
  readonly path: string | undefined
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: "default" | "none" | "lax" | "strict"
}

/** §5.6: name and value together, and one attribute value. */
const maxPair = 4096
const maxAttribute = 1024

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const control = /[\x00-\x08\x0a-\x1f\x7f]/
const delimiters = /[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+/
const time = /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)/
const day = /^(\d{1,2})(?:\D|$)/
const month = /^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)/i
const year = /^(\d{2,4})(?:\D|$)/
const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

const daysIn = (monthIndex: number, fullYear: number): number => {
  if (monthIndex !== 1) return [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][monthIndex] ?? 0
  return fullYear % 4 === 0 && (fullYear % 100 !== 0 || fullYear % 400 === 0) ? 29 : 28
}

const fullYear = (found: number): number => (found >= 100 ? found : found >= 70 ? found + 1900 : found + 2000)

/**
 * Milliseconds since 1970 of a date as cookies write it (§5.1.1), in whatever order and with whatever between.
 *
 * @example
 * ```ts
 * import { SetCookie } from "@sennit/http-client"
 *
 * SetCookie.parseDate("Sun, 06 Nov 1994 08:49:37 GMT") // Option.some(784111777000)
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseDate = (text: string): Option.Option<number> => {
  let clock: RegExpExecArray | null = null
  let onDay: RegExpExecArray | null = null
  let inMonth: RegExpExecArray | null = null
  let inYear: RegExpExecArray | null = null
  for (const token of text.split(delimiters)) {
    if (clock === null && (clock = time.exec(token)) !== null) continue
    if (onDay === null && (onDay = day.exec(token)) !== null) continue
    if (inMonth === null && (inMonth = month.exec(token)) !== null) continue
    if (inYear === null) inYear = year.exec(token)
  }
  if (clock === null || onDay === null || inMonth === null || inYear === null) return Option.none()
  const at = fullYear(Number(inYear[1]))
  const monthIndex = months.indexOf((inMonth[1] ?? "").toLowerCase())
  const date = Number(onDay[1])
  const [hour, minute, second] = [Number(clock[1]), Number(clock[2]), Number(clock[3])]
  if (at < 1601 || date < 1 || date > daysIn(monthIndex, at) || hour > 23 || minute > 59 || second > 59) {
    return Option.none()
  }
  return Option.some(Date.UTC(at, monthIndex, date, hour, minute, second))
}

/** A host name in the form of `URL.hostname`: lower case, internationalised names as ASCII. */
const canonical = (domain: string): string | undefined => {
  const url = `http://${domain}/`
  if (/[/?#@:\\\s]/.test(domain) || !URL.canParse(url)) return undefined
  return new URL(url).hostname
}

/** What attributes say; the last of each wins (§5.6). */
interface Attributes {
  expires: number | undefined
  maxAge: number | undefined
  domain: string | undefined
  path: string | undefined
  secure: boolean
  httpOnly: boolean
  sameSite: SetCookie["sameSite"]
}

const sameSiteOf = (value: string): SetCookie["sameSite"] => {
  const lower = value.toLowerCase()
  return lower === "none" || lower === "lax" || lower === "strict" ? lower : "default"
}

/** Reads one attribute; false when it makes the cookie unusable. */
const readAttribute = (found: Attributes, name: string, value: string): boolean => {
  switch (name) {
    case "expires":
      found.expires = Option.getOrElse(parseDate(value), () => found.expires)
      return true
    case "max-age":
      if (/^-?\d+$/.test(value)) found.maxAge = Number(value)
      return true
    case "domain": {
      const bare = value.startsWith(".") ? value.slice(1) : value
      found.domain = bare === "" ? undefined : canonical(bare)
      // a domain that is no host name matches no host
      return bare === "" || found.domain !== undefined
    }
    case "path":
      found.path = value.startsWith("/") ? value : undefined
      return true
    case "secure":
      found.secure = true
      return true
    case "httponly":
      found.httpOnly = true
      return true
    case "samesite":
      found.sameSite = sameSiteOf(value)
      return true
    default:
      return true
  }
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09

/** Spaces and tabs around (not other white space, as `trim` would), in linear time. */
const trim = (text: string): string => {
  let from = 0
  let to = text.length
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

/** Name and value on both sides of the first "="; without one, all is `whenBare`. */
const splitPair = (text: string): readonly [name: string, value: string] | undefined => {
  const equals = text.indexOf("=")
  return equals === -1 ? undefined : [trim(text.slice(0, equals)), trim(text.slice(equals + 1))]
}

/**
 * Read one `Set-Cookie` value; none when §5.6 says to ignore it: control characters, an empty pair, more than 4096 bytes,
 * or a domain that is no host name.
 *
 * @example
 * ```ts
 * import { SetCookie } from "@sennit/http-client"
 *
 * const cookie = SetCookie.parse("SID=31d4d96e407aad42; Path=/; Secure; HttpOnly")
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (header: string): Option.Option<SetCookie> => {
  if (control.test(header)) return Option.none()
  const [first = "", ...rest] = header.split(";")
  const [name, value] = splitPair(first) ?? ["", trim(first)]
  if ((name === "" && value === "") || name.length + value.length > maxPair) return Option.none()
  const found: Attributes = {
    expires: undefined,
    maxAge: undefined,
    domain: undefined,
    path: undefined,
    secure: false,
    httpOnly: false,
    sameSite: "default"
  }
  for (const attribute of rest) {
    const [key, given] = splitPair(attribute) ?? [trim(attribute), ""]
    if (given.length <= maxAttribute && !readAttribute(found, key.toLowerCase(), given)) return Option.none()
  }
  return Option.some({ name, value, ...found })
}
