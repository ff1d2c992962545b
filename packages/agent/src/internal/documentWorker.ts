// @effect-diagnostics asyncFunction:off -- runs in a thread of its own, without Effect, so that it starts quickly
// @effect-diagnostics newPromise:off -- see above
import type { Run } from "./startThread.ts"

/** @internal Bytes to be read as text; `maxChars` bounds what comes out. */
export type DocumentJob = {
  readonly format: "pdf" | "html" | "text"
  readonly bytes: Uint8Array
  readonly charset: string
  readonly maxChars: number
}

/** @internal `pageStarts` are offsets into `text`; a document without pages of its own has none. */
export interface DocumentText {
  readonly title: string
  readonly text: string
  readonly pageStarts: ReadonlyArray<number>
}

/**
 * The heap limit of a thread does not count buffers, and a compressed stream of a few kilobytes may unpack to
 * gigabytes: no single buffer may become larger than this.
 */
const maxBufferBytes = 96 * 1024 * 1024

const limitBuffers = (): void => {
  const Plain = globalThis.Uint8Array
  const Limited: typeof Plain = new Proxy(Plain, {
    construct: (target, args: ReadonlyArray<unknown>, newTarget): Uint8Array => {
      const [size] = args
      if (typeof size === "number" && size > maxBufferBytes) {
        throw new RangeError(`A buffer of ${size} bytes is larger than allowed`)
      }
      return Reflect.construct(target, args, newTarget === Limited ? target : newTarget)
    }
  })
  globalThis.Uint8Array = Limited
}

let limited = false

const tooLong = (maxChars: number): Error => {
  const error = new Error(`It has more than ${maxChars} characters`)
  error.name = "TooLong"
  return error
}

/** @internal */
export const run: Run<DocumentJob, DocumentText> = async (job) => {
  if (!limited) limitBuffers()
  limited = true
  switch (job.format) {
    case "pdf":
      return readPdf(job)
    case "html":
      return readHtml(job)
    case "text":
      return { title: "", text: bounded(decode(job, true), job.maxChars), pageStarts: [] }
  }
}

const decode = ({ bytes, charset }: DocumentJob, fatal: boolean): string =>
  new TextDecoder(charset, { fatal }).decode(bytes)

const bounded = (text: string, maxChars: number): string => {
  if (text.length > maxChars) throw tooLong(maxChars)
  return text
}

/** So many pages are read at a time: less work is lost when the text turns out to be too long. */
const pagesAtOnce = 25

const readPdf = async ({ bytes, maxChars }: DocumentJob): Promise<DocumentText> => {
  const { PDFParse } = await import("pdf-parse")
  const parser = new PDFParse({
    data: bytes,
    verbosity: 0,
    stopAtErrors: true,
    isEvalSupported: false,
    useSystemFonts: false,
    disableFontFace: true
  })
  const pageStarts: Array<number> = []
  const parts: Array<string> = []
  let length = 0
  let total = 1
  for (let first = 1; first <= total; first += pagesAtOnce) {
    // oxlint-disable-next-line no-await-in-loop -- one batch of pages at a time is in memory
    const result = await parser.getText({ first, last: first + pagesAtOnce - 1, pageJoiner: "" })
    total = result.total
    for (const { text } of result.pages) {
      const page = `${text.trim()}\n\n`
      pageStarts.push(length)
      parts.push(page)
      length += page.length
      if (length > maxChars) throw tooLong(maxChars)
    }
  }
  return { title: "", text: parts.join("").trimEnd(), pageStarts }
}

const readHtml = async (job: DocumentJob): Promise<DocumentText> => {
  const { default: Turndown } = await import("turndown")
  const turndown = new Turndown({ headingStyle: "atx", codeBlockStyle: "fenced", bulletListMarker: "-" })
  turndown.remove(["script", "style", "noscript", "template", "iframe", "object"])
  turndown.addRule("cells", { filter: ["td", "th"], replacement: (content) => `${content.trim()} | ` })
  turndown.addRule("rows", { filter: "tr", replacement: (content) => `\n| ${content.trim()}` })
  // An image is an address that a reader might fetch on its own: only what it shows is kept.
  turndown.addRule("images", {
    filter: "img",
    replacement: (_, node) => "getAttribute" in node ? node.getAttribute("alt") ?? "" : ""
  })
  const html = decode(job, false)
  const title = /<title[^>]*>([^<]*)/i.exec(html.slice(0, 20_000))?.[1] ?? ""
  const body = html.replace(/<title[^>]*>[^<]*<\/title\s*>/i, "")
  return {
    title: title.replace(/\s+/g, " ").trim(),
    text: bounded(turndown.turndown(body).replace(/[ \t]+$/gm, ""), job.maxChars),
    pageStarts: []
  }
}
