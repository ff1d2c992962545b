/**
 * Escapes that keep untrusted text inside its place in a prompt block, without loss.
 *
 * @since 0.1.0
 */
import type { PromptItem } from "../PromptBlock.ts"

// Beside the characters of the markup: controls, zero-width and bidirectional marks, line separators, tag characters
// and half surrogates. They are invisible or reorder what a reader sees, so they are spelled out.
const invisible =
  "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f" +
  "\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}\\p{Surrogate}"
const unsafeText = new RegExp(`[&<>"${invisible}]`, "gu")
const unsafeLine = new RegExp(`[&<>"\\t\\n${invisible}]`, "gu")
const unsafeJson = new RegExp(`[&<>${invisible}]`, "gu")

const names: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;" }

const spell = (character: string): string => names[character] ?? `&#x${(character.codePointAt(0) ?? 0).toString(16)};`

/**
 * For text of several lines.
 *
 * @since 0.1.0
 */
export const escapeText = (text: string): string => text.replace(unsafeText, spell)

/**
 * For a label, which stays on its line.
 *
 * @since 0.1.0
 */
export const escapeLine = (text: string): string => text.replace(unsafeLine, spell)

const characters: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: "\"" }

/**
 * @since 0.1.0
 */
export const unescapeText = (text: string): string =>
  text.replace(
    /&(?:#x([0-9a-f]{1,6})|(amp|lt|gt|quot));/g,
    (_, code: string | undefined, name: string | undefined) =>
      name === undefined ? String.fromCodePoint(Number.parseInt(code ?? "", 16)) : characters[name] ?? ""
  )

const unicodeEscape = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`)
    .join("")

/**
 * An item as JSON, with the same characters spelled out as JSON escapes.
 *
 * @since 0.1.0
 */
export const escapeJson = ({ speaker, text, time, type }: PromptItem): string =>
  JSON.stringify({ type, time, speaker, text }).replace(unsafeJson, unicodeEscape)
