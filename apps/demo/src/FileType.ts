/** What a file is, by its first bytes; its name may say anything. */

export type FileType =
  | { readonly type: "text" | "pdf" }
  | { readonly type: "image"; readonly mediaType: string }
  | { readonly type: "other"; readonly looksLike: string }

interface Signature {
  readonly bytes: ReadonlyArray<number>
  readonly is: FileType
}

const image = (mediaType: string): FileType => ({ type: "image", mediaType })
const other = (looksLike: string): FileType => ({ type: "other", looksLike })

const signatures: ReadonlyArray<Signature> = [
  { bytes: [0x25, 0x50, 0x44, 0x46], is: { type: "pdf" } },
  { bytes: [0x89, 0x50, 0x4e, 0x47], is: image("image/png") },
  { bytes: [0xff, 0xd8, 0xff], is: image("image/jpeg") },
  { bytes: [0x47, 0x49, 0x46, 0x38], is: image("image/gif") },
  { bytes: [0x7f, 0x45, 0x4c, 0x46], is: other("a program") },
  { bytes: [0x4d, 0x5a], is: other("a program") },
  { bytes: [0x50, 0x4b, 0x03, 0x04], is: other("an archive; nothing is opened that could unfold") },
  { bytes: [0x1f, 0x8b], is: other("compressed; nothing is opened that could unfold") },
  { bytes: [0x42, 0x5a, 0x68], is: other("compressed; nothing is opened that could unfold") },
  { bytes: [0xfd, 0x37, 0x7a], is: other("compressed; nothing is opened that could unfold") },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], is: other("compressed; nothing is opened that could unfold") },
  { bytes: [0x37, 0x7a, 0xbc, 0xaf], is: other("an archive; nothing is opened that could unfold") }
]

const startsWith = (head: Uint8Array, bytes: ReadonlyArray<number>) => bytes.every((byte, at) => head[at] === byte)

const isWebp = (head: Uint8Array) =>
  startsWith(head, [0x52, 0x49, 0x46, 0x46]) && startsWith(head.subarray(8), [0x57, 0x45, 0x42, 0x50])

const hasUtf16Mark = (head: Uint8Array) => startsWith(head, [0xff, 0xfe]) || startsWith(head, [0xfe, 0xff])

/** What may stand before the root of an XML document. */
const prologue = /^\uFEFF?\s*(?:<\?xml[^>]*>\s*|<!--[^]*?-->\s*|<!DOCTYPE[^>]*>\s*)*/i
const SVG_SIGHT = 4096

const isSvg = (head: Uint8Array) =>
  new TextDecoder().decode(head.subarray(0, SVG_SIGHT)).replace(prologue, "").startsWith("<svg")

/** By the beginning of the file, of any length. */
export const fileType = (head: Uint8Array): FileType => {
  const known = signatures.find(({ bytes }) => startsWith(head, bytes))
  if (known !== undefined) return known.is
  if (isWebp(head)) return image("image/webp")
  if (isSvg(head)) return image("image/svg+xml")
  return head.includes(0) && !hasUtf16Mark(head) ? other("not text") : { type: "text" }
}
