// @effect-diagnostics nodeBuiltinImport:off -- streams of a PDF are compressed with zlib
import { deflateSync } from "node:zlib"

interface Drawing {
  readonly content: Uint8Array
  /** As in `/Filter`, with the slash. */
  readonly filter: string
}

const encoder = new TextEncoder()

/** Lines of ASCII text as the drawing of a page (PDF 32000-1, 9.4), compressed. */
export const drawLines = (lines: ReadonlyArray<string>): Drawing => {
  const shown = lines.map((line) => `(${line.replace(/[()\\]/g, "\\$&")}) Tj T*`).join(" ")
  return {
    content: deflateSync(encoder.encode(`BT /F1 12 Tf 14 TL 72 720 Td ${shown} ET`)),
    filter: "/Filter /FlateDecode"
  }
}

/** A PDF of these pages (PDF 32000-1, 7.5: header, objects, cross-reference table, trailer). */
export const writePdf = (pages: ReadonlyArray<Drawing>): Uint8Array => {
  const kids = pages.map((_, i) => `${4 + 2 * i} 0 R`).join(" ")
  const objects: ReadonlyArray<string | readonly [head: string, bytes: Uint8Array]> = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    `<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ...pages.flatMap(({ content, filter }, i) => [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${5 + 2 * i} 0 R ` +
      "/Resources << /Font << /F1 3 0 R >> >> >>",
      [`<< /Length ${content.length} ${filter} >>`, content] as const
    ])
  ]
  const chunks: Array<Uint8Array> = []
  const offsets: Array<number> = []
  let length = 0
  const put = (part: string | Uint8Array) => {
    const bytes = typeof part === "string" ? encoder.encode(part) : part
    chunks.push(bytes)
    length += bytes.length
  }
  put("%PDF-1.4\n")
  objects.forEach((object, i) => {
    offsets.push(length)
    put(`${i + 1} 0 obj\n`)
    if (typeof object === "string") put(object)
    else {
      put(`${object[0]}\nstream\n`)
      put(object[1])
      put("\nendstream")
    }
    put("\nendobj\n")
  })
  const start = length
  const entries = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("")
  put(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}`)
  put(`trailer << /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`)
  return new Uint8Array(Buffer.concat(chunks))
}
