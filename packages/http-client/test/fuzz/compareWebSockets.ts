/** Our parser of frames beside the one of the ws package: where they may differ, and what a disagreement is. */
import { PerMessageDeflate, WebSocketFrame } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import { makeRandom } from "./makeRandom.ts"
import { makeCuts } from "./responseInputs.ts"
import type { WebSocketInput } from "./webSocketInputs.ts"
import { makeWebSocketInput } from "./webSocketInputs.ts"

interface Receiver {
  readonly on: (event: string, listener: (data: unknown, more: unknown) => void) => void
  readonly write: (bytes: Uint8Array, done: () => void) => boolean
  readonly writable: boolean
}
interface Extension {
  readonly accept: (offers: ReadonlyArray<object>) => unknown
  readonly cleanup: () => void
}
interface Ws {
  readonly Receiver: new(options: object) => Receiver
  readonly PerMessageDeflate: new(options: object) => Extension
}
const isWs = (u: unknown): u is Ws => typeof u === "object" && u !== null && "Receiver" in u && "PerMessageDeflate" in u

const name: string = "ws"
export const loadWs: Effect.Effect<Ws> = Effect.promise(() => import(name)).pipe(
  Effect.flatMap((loaded: unknown) =>
    isWs(loaded) ? Effect.succeed(loaded) : Effect.dieMessage("ws has no receiver to compare with")
  )
)

const most = 2000
const fragments = 8

/** What came, in words, until a close frame or a refusal. */
interface Reading {
  readonly events: ReadonlyArray<string>
  readonly refusal: string | undefined
}

const hex = (bytes: unknown): string => Buffer.isBuffer(bytes) ? bytes.toString("hex") : String(bytes)

const weRead = (bytes: Buffer, deflate: boolean, cuts: ReadonlyArray<number>): Reading => {
  const inflater = new PerMessageDeflate.Inflater({ contextTakeover: false, windowBits: 15 })
  const parser = new WebSocketFrame.FrameParser(
    { frame: most, message: most, fragments },
    deflate ? inflater : undefined
  )
  const events: Array<string> = []
  // the memory of a read is used again for the next
  const memory = Buffer.alloc(bytes.length)
  let at = 0
  for (const cut of [...cuts, bytes.length]) {
    bytes.copy(memory, 0, at, cut)
    for (const event of parser.push(memory, 0, cut - at)) {
      if (event._tag === "Close") {
        return { events: [...events, `close ${event.code} ${event.reason}`], refusal: undefined }
      }
      events.push(
        event._tag !== "Message"
          ? `${event._tag} ${hex(event.payload)}`
          : typeof event.data === "string"
          ? `text ${hex(Buffer.from(event.data))}`
          : `binary ${hex(Buffer.from(event.data))}`
      )
    }
    at = cut
  }
  return { events, refusal: parser.failure?.reason }
}

const theyRead = (ws: Ws, bytes: Buffer, deflate: boolean, cuts: ReadonlyArray<number>): Effect.Effect<Reading> =>
  Effect.gen(function*() {
    const extension = new ws.PerMessageDeflate({ isServer: false, maxPayload: most })
    // with a context that is kept, ws loses what follows a message whose last block says that it is the last
    extension.accept([{ server_no_context_takeover: [true] }])
    const receiver = new ws.Receiver({
      isServer: false,
      maxPayload: most,
      maxFragments: fragments,
      extensions: deflate ? { "permessage-deflate": extension } : {}
    })
    const events: Array<string> = []
    const end: { refusal: string | undefined; wake: (() => void) | undefined } = { refusal: undefined, wake: undefined }
    receiver.on("message", (data, binary) => events.push(`${binary === true ? "binary" : "text"} ${hex(data)}`))
    receiver.on("ping", (data) => events.push(`Ping ${hex(data)}`))
    receiver.on("pong", (data) => events.push(`Pong ${hex(data)}`))
    receiver.on("conclude", (code, reason) => events.push(`close ${String(code)} ${String(reason)}`))
    receiver.on("error", (error) => {
      end.refusal = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "unknown"
      end.wake?.()
    })
    let at = 0
    for (const cut of [...cuts, bytes.length]) {
      if (!receiver.writable || end.refusal !== undefined) break
      const part = Buffer.from(bytes.subarray(at, cut))
      at = cut
      yield* Effect.async<void>((resume) => {
        end.wake = () => resume(Effect.void)
        receiver.write(part, () => resume(Effect.void))
      })
    }
    extension.cleanup()
    return { events, refusal: end.refusal }
  })

/**
 * We refuse what ws reads, for written reasons:
 *
 * - `Length`: a length that is not the shortest (RFC 6455 §5.2: it MUST be)
 * - `Deflate`: a compressed message that does not end where a block ends (RFC 7692 §7.2.1); ws reads it, and stumbles over
 *   the next
 */
const stricter = new Set<string | undefined>(["Length", "Deflate"])

/** Both refuse it, we when the offending bytes are here, ws when their frame or message is. */
const earlier = new Set<string | undefined>(["Utf8", "TooManyFragments"])

const startsWith = (events: ReadonlyArray<string>, start: ReadonlyArray<string>): boolean =>
  start.every((event, i) => event === events[i])

/**
 * - `accepted`, `refused`: by both, after the same messages
 * - `stricter`, `earlier`: by the rules above
 * - `later`: ws decompresses fragment by fragment, we when the message is complete, so it refuses one before us; control
 *   frames between its fragments are heard meanwhile, but no message is given that ws does not give
 * - `disagreement`: everything else
 */
type Verdict = "accepted" | "refused" | "stricter" | "earlier" | "later" | "disagreement"

const verdictOf = (ours: Reading, theirs: Reading, deflate: boolean): Verdict => {
  if (startsWith(theirs.events, ours.events)) {
    if (stricter.has(ours.refusal)) return "stricter"
    if (earlier.has(ours.refusal)) return "earlier"
    if (
      ours.events.length === theirs.events.length && (ours.refusal === undefined) === (theirs.refusal === undefined)
    ) {
      return ours.refusal === undefined ? "accepted" : "refused"
    }
  }
  return deflate && theirs.refusal !== undefined && startsWith(ours.events, theirs.events) &&
      ours.events.slice(theirs.events.length).every((event) => /^(?:P[io]ng|close) /.test(event))
    ? "later"
    : "disagreement"
}

const judge = (
  ws: Ws,
  { bytes, deflate }: WebSocketInput,
  cuts: ReadonlyArray<number>
): Effect.Effect<readonly [verdict: Verdict, detail: string]> =>
  Effect.map(theyRead(ws, bytes, deflate, cuts), (theirs) => {
    const whole = weRead(bytes, deflate, [])
    const ours = weRead(bytes, deflate, cuts)
    const verdict = JSON.stringify(whole) === JSON.stringify(ours) ? verdictOf(ours, theirs, deflate) : "disagreement"
    return [
      verdict,
      verdict === "disagreement"
        ? JSON.stringify({ bytes: bytes.toString("hex"), deflate, cuts, whole, ours, theirs })
        : ""
    ]
  })

/** Judge `count` inputs made from a seed; gives how many had which verdict, and the first disagreements. */
export const compareWebSockets = (
  ws: Ws,
  seed: number,
  count: number
): Effect.Effect<{ readonly tally: { readonly [V in Verdict]: number }; readonly details: ReadonlyArray<string> }> =>
  Effect.gen(function*() {
    const random = makeRandom(seed)
    const tally = { accepted: 0, refused: 0, stricter: 0, earlier: 0, later: 0, disagreement: 0 }
    const details: Array<string> = []
    for (let left = count; left > 0; left--) {
      const input = makeWebSocketInput(random)
      const [verdict, detail] = yield* judge(ws, input, makeCuts(random, input.bytes.length))
      tally[verdict]++
      if (detail !== "" && details.length < 5) details.push(detail)
    }
    return { tally, details }
  })
