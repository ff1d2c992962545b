/** Our parser beside llhttp: where they may differ, and what a disagreement is. */
import type { Llhttp } from "./llhttp.ts"
import { makeRandom } from "./makeRandom.ts"
import type { ReadResponse } from "./readResponse.ts"
import { readResponse } from "./readResponse.ts"
import type { ResponseInput } from "./responseInputs.ts"
import { makeCuts, makeResponseInput } from "./responseInputs.ts"

/**
 * - `accepted`: both read the input, alike; `refused`: neither does
 * - `stricter`: we refuse what llhttp reads
 * - `exception`: we read what llhttp refuses, by the written rules below
 * - `disagreement`: everything else, said in `detail` with the input
 */
interface Comparison {
  readonly verdict: "accepted" | "refused" | "stricter" | "exception" | "disagreement"
  readonly detail: string
}

const verdictOf = (verdict: Comparison["verdict"], detail = ""): Comparison => ({ verdict, detail })

const shown = (response: ReadResponse) => {
  const { keepAlive: _, ...rest } = response
  return JSON.stringify(rest)
}

const interim = /^HTTP\/1\.[01] 1\d\d/

/**
 * We read what llhttp refuses for three written reasons, each time as llhttp reads it when that one thing is taken away:
 *
 * - an interim response that says `Connection: close`, or HTTP/1.0, is still followed by the final one (RFC 9110 §15.2: a
 *   client parses any number of them); llhttp takes what follows for bytes after the end
 * - an interim response ends with its head, whatever its fields say of a body (RFC 9112 §6.3); llhttp knows it of 100 only
 * - white space after Content-Length may be a tab (RFC 9110 §5.6.3); this llhttp allows spaces only, newer ones both
 */
const withoutExceptions = (text: string): string => {
  const heads = text.split("\r\n\r\n")
  const last = heads.findIndex((head) => !interim.test(head))
  return heads.map((head, index) =>
    index < last
      ? head.replace("HTTP/1.0", "HTTP/1.1").replaceAll(
        /\r\n(?:(?:proxy-)?connection|content-length|transfer-encoding):[^\r]*/gi,
        ""
      )
      : head
  ).join("\r\n\r\n").replaceAll(/(\r\ncontent-length:[\t ]*\d+)[\t ]+(?=\r)/gi, "$1")
}

/**
 * We keep a connection that llhttp closes, for a written reason: `Proxy-Connection` is in no standard, and `Connection`
 * is no trailer (RFC 9110 §6.5.1).
 */
const closesByOtherRules = ({ fields, trailers }: ReadResponse): boolean =>
  fields.some(([name]) => name === "proxy-connection") ||
  trailers.some(([name]) => name === "connection" || name === "proxy-connection")

const judge = (llhttp: Llhttp, { bytes, method }: ResponseInput, cuts: ReadonlyArray<number>): Comparison => {
  const text = Buffer.from(bytes).toString("latin1")
  const disagree = (what: string) =>
    verdictOf("disagreement", `${what}\n${method} ${JSON.stringify(text)}, cut at ${cuts.join(" ")}`)
  const ours = readResponse(bytes, method)
  const divided = readResponse(bytes, method, cuts)
  if (JSON.stringify(divided) !== JSON.stringify(ours)) {
    return disagree(`divided ${JSON.stringify(divided)}, whole ${JSON.stringify(ours)}`)
  }
  const theirs = llhttp(bytes, method)
  if (ours.response === undefined) return verdictOf(theirs.response === undefined ? "refused" : "stricter")
  const { response, size } = ours
  if (theirs.response === undefined) {
    const changed = withoutExceptions(text)
    const again = changed === text ? theirs : llhttp(Buffer.from(changed, "latin1"), method)
    return again.response !== undefined && shown(again.response) === shown(response)
      ? verdictOf("exception")
      : disagree(`we read ${shown(response)}, llhttp refuses (${theirs.reason})`)
  }
  if (shown(response) !== shown(theirs.response)) {
    return disagree(`we read ${shown(response)}, llhttp ${shown(theirs.response)}`)
  }
  if (size !== theirs.size) return disagree(`we took ${size} bytes, llhttp ${theirs.size}`)
  if (response.keepAlive && !theirs.response.keepAlive && !closesByOtherRules(response)) {
    return disagree("we keep a connection that llhttp closes")
  }
  return verdictOf("accepted")
}

export type Tally = { readonly [Verdict in Comparison["verdict"]]: number }

/**
 * Judge `count` inputs made from a seed, each whole and at random places divided. Gives how many had which verdict, and
 * the first disagreements in words.
 */
export const compareMany = (
  llhttp: Llhttp,
  seed: number,
  count: number
): { readonly tally: Tally; readonly details: ReadonlyArray<string> } => {
  const random = makeRandom(seed)
  const tally = { accepted: 0, refused: 0, stricter: 0, exception: 0, disagreement: 0 }
  const details: Array<string> = []
  for (let left = count; left > 0; left--) {
    const input = makeResponseInput(random)
    const { detail, verdict } = judge(llhttp, input, makeCuts(random, input.bytes.length))
    tally[verdict]++
    if (detail !== "" && details.length < 5) details.push(detail)
  }
  return { tally, details }
}

/** Read `count` inputs whole, byte by byte and at random places divided; gives the first that are not read alike. */
export const divideMany = (seed: number, count: number): ReadonlyArray<string> => {
  const random = makeRandom(seed)
  const details: Array<string> = []
  for (let left = count; left > 0 && details.length < 5; left--) {
    const { bytes, method } = makeResponseInput(random)
    const whole = JSON.stringify(readResponse(bytes, method))
    const each = Array.from({ length: Math.max(0, bytes.length - 1) }, (_, index) => index + 1)
    for (const cuts of [each, makeCuts(random, bytes.length), makeCuts(random, bytes.length)]) {
      const divided = JSON.stringify(readResponse(bytes, method, cuts))
      if (divided !== whole) {
        details.push(
          `${method} ${JSON.stringify(Buffer.from(bytes).toString("latin1"))} cut at ${
            cuts.join(" ")
          }: ${divided}, whole ${whole}`
        )
      }
    }
  }
  return details
}
