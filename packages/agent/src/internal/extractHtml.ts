/** @internal */
export interface ReadableText {
  readonly title: string
  readonly text: string
}

const skipped = new Set(["script", "style", "noscript", "template", "svg", "iframe", "object"])
const breaks = new Set(
  ("address article aside blockquote br dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav " +
    "ol p pre section table tr ul").split(" ")
)

/**
 * @internal
 * The readable text of a page: no scripts, styles or markup; headings, list
 * items and table cells are marked. One pass, no backtracking, so that its time
 * is linear in the length of a page that may be hostile.
 */
export const extractHtml = (html: string): ReadableText => {
  const output = new TextOutput()
  let title = ""
  let position = 0
  while (position < html.length) {
    const open = html.indexOf("<", position)
    if (open < 0) {
      output.text(decodeEntities(html.slice(position)))
      break
    }
    output.text(decodeEntities(html.slice(position, open)))
    if (html.startsWith("<!--", open)) {
      position = after(html, "-->", open + 4)
      continue
    }
    const tag = /^(\/?)([a-z][a-z0-9]*)/i.exec(html.slice(open + 1, open + 40))
    if (tag === null) {
      // A "<" that opens no tag is text; "<!doctype" and the like are skipped.
      if (/[!?/]/.test(html[open + 1] ?? "")) position = after(html, ">", open)
      else {
        output.text("<")
        position = open + 1
      }
      continue
    }
    const end = tagEnd(html, open + 1)
    const closing = tag[1] === "/"
    const name = tag[2]!.toLowerCase()
    position = end + 1
    if (!closing && name === "title" && title === "") {
      const close = indexOfClose(html, "title", position)
      title = collapse(decodeEntities(html.slice(position, close)))
      position = after(html, ">", close)
    } else if (!closing && skipped.has(name) && html[end - 1] !== "/") {
      position = after(html, ">", indexOfClose(html, name, position))
    } else output.tag(name, closing)
  }
  return { title, text: output.toString() }
}

class TextOutput {
  private readonly parts: Array<string> = []
  private pending = ""

  text(raw: string): void {
    const text = raw.replace(/[\s\u00a0]+/g, " ")
    if (text === "" || (text === " " && this.pending !== "")) return
    if (this.pending !== "") this.parts.push(this.pending, text.trimStart())
    else this.parts.push(text)
    this.pending = ""
  }

  tag(name: string, closing: boolean): void {
    if ((name === "td" || name === "th") && closing) this.pending ||= " | "
    if (!breaks.has(name)) return
    const mark = closing ? "" : name === "li" ? "- " : /^h[1-6]$/.test(name) ? `${"#".repeat(Number(name[1]))} ` : ""
    this.pending = `\n${mark}`
  }

  toString(): string {
    return this.parts.join("").split("\n").map((line) => line.replace(/ {2,}/g, " ").trim())
      .filter((line) => line !== "").join("\n")
  }
}

const collapse = (text: string) => text.replace(/\s+/g, " ").trim()

const after = (html: string, mark: string, from: number): number => {
  const index = html.indexOf(mark, from)
  return index < 0 ? html.length : index + mark.length
}

/** The ">" that ends a tag, outside quoted attribute values. */
const tagEnd = (html: string, from: number): number => {
  let quote = ""
  for (let i = from; i < html.length; i++) {
    const sign = html[i]!
    if (quote !== "") quote = sign === quote ? "" : quote
    else if (sign === ">") return i
    else if ((sign === "\"" || sign === "'") && html[i - 1] === "=") quote = sign
  }
  return html.length
}

const indexOfClose = (html: string, name: string, from: number): number => {
  const close = new RegExp(`</${name}(?![a-z0-9])`, "gi")
  close.lastIndex = from
  return close.exec(html)?.index ?? html.length
}

const entities: ReadonlyMap<string, string> = new Map(Object.entries<string>({
  amp: "&",
  lt: "<",
  gt: ">",
  quot: "\"",
  apos: "'",
  nbsp: " ",
  copy: "©",
  reg: "®",
  trade: "™",
  hellip: "…",
  mdash: "—",
  ndash: "–",
  lsquo: "‘",
  rsquo: "’",
  ldquo: "“",
  rdquo: "”",
  euro: "€",
  pound: "£",
  deg: "°",
  middot: "·",
  bull: "•",
  times: "×"
}))

const decodeEntities = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return entities.get(name) ?? whole
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : "\ufffd"
  })
