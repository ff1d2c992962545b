/** Numbers and times as people read them. */
import * as DateTime from "effect/DateTime"

export const sizeOf = (bytes: number): string =>
  bytes < 1000
    ? `${bytes} B`
    : bytes < 1_000_000
    ? `${Math.round(bytes / 1000)} KB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`

export const secondsOf = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

const format = (millis: number, options: Intl.DateTimeFormatOptions) =>
  DateTime.formatLocal(DateTime.unsafeMake(millis), { locale: "en", ...options })

export const timeOf = (millis: number): string =>
  format(millis, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })

export const dayAndTimeOf = (millis: number): string => format(millis, { dateStyle: "medium", timeStyle: "short" })

/** A name whose invisible and reversing characters can be seen. */
export const shownName = (name: string): string =>
  name.replaceAll(
    /[\p{Cc}\p{Cf}]/gu,
    (character) => `[U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`
  )
