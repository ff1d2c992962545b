/**
 * Markdown to safe HTML. Finished blocks of a growing text are parsed once and never touched again; only the last,
 * still open block is parsed on each paint.
 */
import DOMPurify from "dompurify"
import { Marked } from "marked"
import { shownName } from "./words.ts"

const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")

const marked = new Marked({
  gfm: true,
  renderer: {
    // A remote image would tell its server that this answer was read.
    image: ({ href, text }) => `<span class="image-chip">Image not loaded: ${escape(text || href)}</span>`
  }
})

const purifier = DOMPurify()
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return
  node.setAttribute("rel", "noopener noreferrer nofollow")
  node.setAttribute("target", "_blank")
  // Where a link leads is seen before it is followed.
  const address = node.getAttribute("href") ?? ""
  const host = URL.canParse(address) ? new URL(address).host : ""
  if (host !== "" && !(node.textContent ?? "").includes(host)) node.append(` (${host})`)
})

export const sanitize = (html: string) =>
  purifier.sanitize(html, {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["img", "style", "form", "input", "iframe", "svg", "math", "video", "audio"],
    FORBID_ATTR: ["style", "id", "name"],
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
    RETURN_TRUSTED_TYPE: true
  })

export type SafeHtml = ReturnType<typeof sanitize>

/** A block of Markdown and what is shown of it. */
export interface Part {
  readonly source: string
  readonly html: SafeHtml
}

const toPart = (source: string): Part => ({ source, html: sanitize(marked.parse(source, { async: false })) })

/** Splits a growing text into blocks that no longer change and the rest; each block is parsed as seldom as possible. */
export class GrowingMarkdown {
  private consumed = ""
  private readonly frozen: Array<Part> = []

  update(raw: string): ReadonlyArray<Part> {
    // An override of the direction would show the rest of its paragraph backwards.
    const text = raw.replaceAll(/\r\n?/g, "\n").replaceAll(/[\u202D\u202E]/g, shownName)
    if (!text.startsWith(this.consumed)) {
      this.consumed = ""
      this.frozen.length = 0
    }
    const tokens = marked.lexer(text.slice(this.consumed.length))
    // The last block may still grow: a list gets another item, a paragraph another word.
    const open = tokens.findLastIndex((token) => token.type !== "space")
    for (const token of tokens.slice(0, Math.max(0, open))) {
      this.consumed += token.raw
      if (token.type !== "space") this.frozen.push(toPart(token.raw))
    }
    const rest = text.slice(this.consumed.length)
    return rest.trim() === "" ? [...this.frozen] : [...this.frozen, toPart(rest)]
  }
}
