/** Responses from a grammar, right ones and wrong ones, with damage. */
import type { Random } from "./makeRandom.ts"

export interface ResponseInput {
  readonly bytes: Uint8Array
  readonly method: "GET" | "HEAD"
}

const statusLines = [
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200 OK",
  "HTTP/1.1 206 Partial Content",
  "HTTP/1.0 200 OK",
  "HTTP/1.1 204 No Content",
  "HTTP/1.1 304 Not Modified",
  "HTTP/1.1 404",
  "HTTP/1.1 404 ",
  "HTTP/1.1 500 \xe9\t x",
  "HTTP/1.1 599 Last",
  "HTTP/1.1 999 Beyond",
  "HTTP/2.0 200 OK",
  "HTTP/1.1  200 OK",
  "http/1.1 200 OK",
  "HTTP/1.1 20 OK",
  "HTTP/1.1 2000 OK",
  "HTTP/1.1\t200 OK"
] as const

const informational = [
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
  "HTTP/1.1 102 Processing\r\n\r\n",
  "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n",
  "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n",
  "HTTP/1.0 100 Continue\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
] as const

const plainFields = [
  "A: b",
  "A:b",
  "A:",
  "A: ",
  "A:\tb \t",
  "x-long: some words, and \"more\"; q=1",
  "Set-Cookie: a=1; Path=/",
  "Connection: close",
  "Connection: keep-alive",
  "Connection: Keep-Alive, x",
  "Connection: upgrade",
  "Upgrade: h2c",
  "Keep-Alive: timeout=5",
  "Trailer: T",
  "Proxy-Connection: close",
  "Content-Encoding: gzip",
  "!#$%&'*+-.^_`|~: token",
  "A: \xe9\xff\x80",
  "A: b\xa0",
  "Content-Lengthy: 3",
  "Transfer-Encodin: chunked"
] as const

const oddFields = [
  "A : b",
  " A: b",
  "\tfolded",
  "A: b\r\n c",
  ": b",
  "A",
  "A\x00: b",
  "A: b\x00",
  "A: b\x7f",
  "A: b\x0bc",
  "A: b\rc",
  "A: b\nB: c",
  "(A): b",
  "\xe9: b",
  "Content-Length: +5",
  "Content-Length: -5",
  "Content-Length: 0x5",
  "Content-Length: 5, 5",
  "Content-Length: 5 5",
  "Content-Length: \xa05",
  "Content-Length: 5\xa0",
  "Content-Length:",
  "Content-Length: 99999999999999999999",
  "Transfer-Encoding: chunked, gzip",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: identity",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked, chunked",
  "Transfer-Encoding: \xa0chunked",
  "Transfer-Encoding: chunked\xa0",
  "Transfer-Encoding: chunked;q=1",
  "Transfer-Encoding:",
  "Content-Length : 5"
] as const

const extensions = [
  "",
  "",
  "",
  ";a",
  ";a=b",
  ";a=\"b c\"",
  ";a=\"\\\"\"",
  ";a=b;c",
  " ",
  "\t",
  " ;a",
  ";",
  ";a=",
  ";=b",
  ";a b",
  ";a\x00",
  ";\xe9"
] as const
const trailerFields = [
  "T: v",
  "U:",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "T : v",
  "T: v\r\n w",
  "Connection: close"
] as const
const bodies = ["", "a", "hello", "0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "\x00\xff\r\n", "x".repeat(300)] as const
const lineEnds = ["\n", "\r", "\r\r\n", "\n\r\n", "\r\n\r\n"] as const
/** Bytes that mean something somewhere, and their neighbours. */
const telling = "\r\n\t \x00\x0b\x0c\x7f\x80\xa0\xff:;,=\"\\0159aAfFgGxX+-_./"

const caseOf = (random: Random, text: string): string =>
  random.chance(0.8) ? text : random.chance(0.5) ? text.toUpperCase() : text.toLowerCase()

const field = (random: Random): string => random.chance(0.9) ? random.pick(plainFields) : random.pick(oddFields)

const lineEnd = (random: Random): string => random.chance(0.985) ? "\r\n" : random.pick(lineEnds)

const chunks = (random: Random): string => {
  let text = ""
  for (let left = random.below(4); left > 0; left--) {
    const data = random.pick(bodies)
    if (data === "" && random.chance(0.9)) continue
    const size = random.chance(0.95) ? data.length : random.below(20)
    const digits = random.chance(0.8)
      ? size.toString(16)
      : `${"0".repeat(random.below(18))}${size.toString(16).toUpperCase()}`
    text += `${digits}${random.chance(0.8) ? "" : random.pick(extensions)}${lineEnd(random)}${data}${lineEnd(random)}`
  }
  text += `0${random.chance(0.9) ? "" : random.pick(extensions)}${lineEnd(random)}`
  while (random.chance(0.2)) text += `${random.pick(trailerFields)}${lineEnd(random)}`
  return text + lineEnd(random)
}

const grammatical = (random: Random): string => {
  let text = ""
  while (random.chance(0.15)) text += random.pick(informational)
  text += (random.chance(0.7) ? "HTTP/1.1 200 OK" : random.pick(statusLines)) + lineEnd(random)
  const lines: Array<string> = []
  for (let left = random.below(5); left > 0; left--) lines.push(field(random))
  const body = random.pick(bodies)
  const framing = random.below(10)
  if (framing < 4 || framing === 9) {
    lines.push(caseOf(random, `Content-Length: ${random.chance(0.9) ? body.length : random.below(20)}`))
  }
  if ((framing >= 4 && framing < 8) || framing === 9) lines.push(caseOf(random, "Transfer-Encoding: chunked"))
  if (random.chance(0.03)) lines.push(`Content-Length: ${body.length}`)
  if (random.chance(0.5)) lines.reverse()
  for (const line of lines) text += line + lineEnd(random)
  text += lineEnd(random)
  text += framing >= 4 && framing < 8 ? chunks(random) : body
  if (random.chance(0.1)) text += random.pick(["x", "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
  return text
}

const damage = (random: Random, text: string): string => {
  const at = random.below(text.length + 1)
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at) + telling[random.below(telling.length)] + text.slice(at + 1)
    case 1:
      return text.slice(0, at) + telling[random.below(telling.length)] + text.slice(at)
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + random.below(4))
    case 3: {
      const to = at + random.below(12)
      return text.slice(0, to) + text.slice(at)
    }
    case 4:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1)
    default:
      return random.chance(0.3) ? text.slice(0, at) : text
  }
}

/** One response: a half as the grammar gives it, a half with one to three places damaged. */
export const makeResponseInput = (random: Random): ResponseInput => {
  let text = grammatical(random)
  if (random.chance(0.5)) {
    for (let left = 1 + random.below(3); left > 0; left--) text = damage(random, text)
  }
  return { bytes: Buffer.from(text, "latin1"), method: random.chance(0.1) ? "HEAD" : "GET" }
}

/** Up to six places at which to cut `length` bytes, ascending. */
export const makeCuts = (random: Random, length: number): ReadonlyArray<number> => {
  if (length < 2) return []
  if (random.chance(0.05)) return Array.from({ length: length - 1 }, (_, index) => index + 1)
  const places = new Set(Array.from({ length: 1 + random.below(6) }, () => 1 + random.below(length - 1)))
  return [...places].toSorted((one, other) => one - other)
}
