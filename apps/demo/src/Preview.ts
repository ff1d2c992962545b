/** The beginning of a file as people want to see it. */
import type { Documents } from "@sennit/agent"
import Papa from "papaparse"
import type { Preview } from "./Api.ts"
import { fileType } from "./FileType.ts"

/** How much of a file is looked at, in bytes. */
export const PREVIEW_BYTES = 64 * 1024
const ROWS = 50
const CHARACTERS = 8000

const isTable = (name: string) => /\.(csv|tsv)$/i.test(name)

const decode = (head: Uint8Array): string => {
  const encoding = head[0] === 0xff && head[1] === 0xfe ? "utf-16le" : head[0] === 0xfe ? "utf-16be" : "utf-8"
  // A character that is cut at the end is left out, not shown broken.
  return new TextDecoder(encoding).decode(head, { stream: true })
}

/** The words of a PDF, page by page. */
export const pdfPreview = ({ pageStarts, text }: Documents.Document): Preview => {
  const pages = pageStarts.map((start, index) =>
    `Page ${index + 1}\n${text.slice(start, pageStarts[index + 1]).trim()}`
  )
  const whole = pages.length === 0 ? text : pages.join("\n\n")
  return { type: "text", text: whole.slice(0, CHARACTERS), isWhole: whole.length <= CHARACTERS }
}

/** `head` is the first `PREVIEW_BYTES` of a file of `size` bytes. */
export const previewOf = (name: string, head: Uint8Array, size: number): Preview => {
  const found = fileType(head)
  if (found.type === "image") return { type: "image" }
  if (found.type === "other") return { type: "none", why: `It is ${found.looksLike}.` }
  const text = decode(head)
  const isRead = head.length >= size
  if (!isTable(name)) {
    return { type: "text", text: text.slice(0, CHARACTERS), isWhole: isRead && text.length <= CHARACTERS }
  }
  const { data, meta } = Papa.parse<Array<string>>(text, { preview: ROWS + 1, skipEmptyLines: true })
  // The last line of a beginning may be half a line.
  const rows = isRead || meta.truncated ? data : data.slice(0, -1)
  return { type: "table", rows: rows.slice(0, ROWS), isWhole: isRead && rows.length <= ROWS }
}
