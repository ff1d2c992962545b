/**
 * The part of XML that S3 servers send, read strictly and within bounds: elements, text, attributes that are passed
 * over, the five entities and character references. Declarations of documents or entities, CDATA, comments and
 * processing instructions are refused, so nothing can expand.
 */

/** @internal */
export interface Element {
  readonly name: string
  /** Its text, where it has no children. */
  readonly text: string
  readonly children: ReadonlyArray<Element>
}

/** @internal Why a text is not read. */
export class XmlProblem {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const maxDepth = 8
const maxElements = 50_000

const entities: { readonly [name: string]: string } = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }

const isXmlCharacter = (code: number): boolean =>
  code === 9 || code === 10 || code === 13 || (code >= 0x20 && code <= 0xd7ff) ||
  (code >= 0xe000 && code <= 0xfffd) || (code >= 0x1_0000 && code <= 0x10_ffff)

const unescape = (raw: string): string | XmlProblem => {
  if (!raw.includes("&")) return raw
  let text = ""
  let position = 0
  for (let start = raw.indexOf("&"); start !== -1; start = raw.indexOf("&", position)) {
    const [whole, decimal, hex, name] = /^&(?:#(\d{1,7})|#x([\dA-Fa-f]{1,6})|([a-z]{2,4}));/
      .exec(raw.slice(start, start + 12)) ?? []
    if (whole === undefined) return new XmlProblem("an entity is not one of the five")
    const code = decimal === undefined ? (hex === undefined ? undefined : Number.parseInt(hex, 16)) : Number(decimal)
    const character = code === undefined
      ? entities[name ?? ""]
      : isXmlCharacter(code)
      ? String.fromCodePoint(code)
      : undefined
    if (character === undefined) return new XmlProblem("an entity or a character reference is not allowed")
    text += raw.slice(position, start) + character
    position = start + whole.length
  }
  return text + raw.slice(position)
}

const tagPattern =
  /^<(\/?)([A-Za-z_][\w.:-]{0,63})((?:\s+[A-Za-z_][\w.:-]{0,63}\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>$/
const maxTagLength = 1024

interface Open {
  readonly name: string
  readonly children: Array<Element>
  text: string
}

/** @internal The root element of a document. */
export const parseXml = (document: string): Element | XmlProblem => {
  const source = document.replace(/^\uFEFF/, "").trim()
  const declaration = /^<\?xml\s[^<>?]{0,200}\?>/.exec(source)?.[0] ?? ""
  const stack: Array<Open> = []
  let elements = 0
  let position = declaration.length
  while (position < source.length) {
    const start = source.indexOf("<", position)
    const text = unescape(source.slice(position, start === -1 ? source.length : start))
    if (text instanceof XmlProblem) return text
    const parent = stack.at(-1)
    if (parent === undefined ? text.trim() !== "" : false) return new XmlProblem("there is text outside the root")
    if (parent !== undefined) parent.text += text
    if (start === -1) return new XmlProblem("the document ends too early")
    const end = source.indexOf(">", start)
    if (end === -1 || end - start > maxTagLength) return new XmlProblem("a tag does not end")
    const [, closing, name, , empty] = tagPattern.exec(source.slice(start, end + 1)) ?? []
    if (name === undefined) return new XmlProblem("there is markup other than elements")
    position = end + 1
    if (++elements > maxElements * 2) return new XmlProblem("there are too many elements")
    if (closing === "" && empty === "") {
      if (stack.length >= maxDepth) return new XmlProblem("elements are nested too deeply")
      stack.push({ name, children: [], text: "" })
      continue
    }
    const element = closing === "" ? { name, text: "", children: [] } : close(stack, name)
    if (element instanceof XmlProblem) return element
    const outer = stack.at(-1)
    if (outer !== undefined) outer.children.push(element)
    else return position === source.length ? element : new XmlProblem("something follows the root")
  }
  return new XmlProblem("the document ends too early")
}

const close = (stack: Array<Open>, name: string): Element | XmlProblem => {
  const open = stack.pop()
  if (open === undefined || open.name !== name) return new XmlProblem("tags do not match")
  const isMixed = open.children.length > 0 && open.text.trim() !== ""
  return isMixed
    ? new XmlProblem("text and elements are mixed")
    : { name, text: open.children.length > 0 ? "" : open.text, children: open.children }
}

/** @internal The text of the first child of that name. */
export const textOf = (element: Element, name: string): string | undefined =>
  element.children.find((child) => child.name === name)?.text

/** @internal Whether every character can stand in a document at all. */
export const isXmlText = (text: string): boolean => {
  for (const character of text) {
    if (!isXmlCharacter(character.codePointAt(0) ?? 0)) return false
  }
  return true
}

/** @internal Text of a document; what a reader would normalize is a reference. */
export const escapeXml = (text: string): string =>
  text.replaceAll(/[&<>"'\r\n\t]/g, (character) => `&#${character.charCodeAt(0)};`)
