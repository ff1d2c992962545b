/** What our parser makes of a whole input, in the terms that it shares with an oracle. */
import { Http1 } from "@sennit/http-client"

export interface ReadResponse {
  readonly informational: ReadonlyArray<number>
  readonly version: string
  readonly status: number
  readonly fields: ReadonlyArray<readonly [string, string]>
  readonly body: string
  readonly trailers: ReadonlyArray<readonly [string, string]>
  readonly keepAlive: boolean
}

/** A response and how many bytes belong to it, or why there is none. */
export type Reading =
  | { readonly response: ReadResponse; readonly size: number }
  | { readonly response: undefined; readonly reason: string }

const reasonOf = (failure: Http1.ResponseFailure): string =>
  failure._tag === "ProtocolError" ? `${failure.reason} at ${failure.offset}` : failure._tag

/** Reads the response to `method`, given in pieces that end at `cuts`. */
export const readResponse = (bytes: Uint8Array, method: string, cuts: ReadonlyArray<number> = []): Reading => {
  const informational: Array<number> = []
  let head: Http1.ResponseHead | undefined
  let trailers: ReadonlyArray<Http1.Field> = []
  let body = ""
  const parser = new Http1.ResponseReader({
    onInformational: (status) => informational.push(status),
    onHead: (made) => {
      head = made
    },
    onBody: (piece) => {
      body += Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString("latin1")
    },
    onEnd: (ended) => {
      trailers = ended
    }
  })
  parser.start(method)
  let failure: Http1.ResponseFailure | undefined
  let at = 0
  for (const cut of [...cuts, bytes.length]) {
    // the parser may keep nothing of what it was given, so the piece is overwritten afterwards
    const piece = cuts.length === 0 ? bytes : new Uint8Array(bytes.subarray(at, cut))
    failure = parser.push(piece)
    if (cuts.length > 0) piece.fill(0)
    at = cut
    if (failure !== undefined) break
  }
  failure ??= parser.finish()
  if (failure !== undefined) return { response: undefined, reason: reasonOf(failure) }
  if (head === undefined) return { response: undefined, reason: "no response" }
  const { fields, keepAlive, status, version } = head
  return {
    response: { informational, version, status, fields, body, trailers, keepAlive },
    size: bytes.length - parser.excess
  }
}
