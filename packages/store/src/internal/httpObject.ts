/** Objects of a web server: requests, and what their answers say. */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import type { Range } from "../Operations.ts"
import * as StorePath from "../StorePath.ts"
import { codeOf, explain } from "./explainFailure.ts"
import { resolveRange } from "./resolveRange.ts"

/** @internal */
export interface Site {
  readonly client: HttpClient.HttpClient
  readonly base: URL
}

type Response = HttpClientResponse.HttpClientResponse

/** @internal The address of a key: each segment is encoded, so that no key can be read as a query or a host. */
export const urlOf = (base: URL, prefix: StorePath.Prefix): string =>
  `${base.href.replace(/\/$/, "")}/${StorePath.segments(prefix).map(encodeURIComponent).join("/")}`

const ask = (
  site: Site,
  method: "GET" | "HEAD",
  key: StorePath.Key,
  headers: { readonly [name: string]: string }
): Effect.Effect<Response, Driver.Failure, Scope.Scope> =>
  Effect.flatMap(
    Effect.mapError(
      HttpClient.withScope(site.client).execute(
        // The lengths that a server names are those of the bytes it sends: they have to be the object's own.
        HttpClientRequest.make(method)(urlOf(site.base, key), {
          headers: { "accept-encoding": "identity", ...headers }
        })
      ),
      unreached
    ),
    (response) => {
      const problem = problemOf(response)
      return problem === undefined ? Effect.succeed(response) : Effect.fail(problem)
    }
  )

/** A client's error holds the request with all its headers: only its reason leaves. */
const unreached = (error: HttpClientError.HttpClientError): Driver.Failure => {
  const code = codeOf(error.cause)
  return explain(
    error.reason === "InvalidUrl" || error.reason === "Encode"
      ? { _tag: "Unavailable", reason: "Misconfigured", retryable: false }
      : { _tag: "Unavailable", reason: "Network", retryable: true },
    `the request failed: ${error.reason}${code === undefined ? "" : ` (${code})`}`
  )
}

const problemOf = ({ headers, status }: Response): Driver.Failure | undefined => {
  const says = (condition: Driver.Condition, what = `the server answers ${status}`) => explain(condition, what)
  const coding = headers["content-encoding"] ?? "identity"
  if (status === 404 || status === 410) return says({ _tag: "NotFound" })
  if (status === 401 || status === 403 || status === 407) return says({ _tag: "PermissionDenied" })
  if (status === 412) return says({ _tag: "PreconditionFailed" })
  if (status === 423) return says({ _tag: "Locked" })
  if (status === 429) return says({ _tag: "Unavailable", reason: "Throttled", retryable: true })
  if (status === 408 || status >= 500) {
    const retryable = status !== 501 && status !== 505
    return says({ _tag: "Unavailable", reason: status === 503 ? "Throttled" : "Protocol", retryable })
  }
  if (status !== 200 && status !== 206 && status !== 416) {
    return says({ _tag: "Unavailable", reason: "Protocol", retryable: false })
  }
  return status === 416 || coding.toLowerCase() === "identity"
    ? undefined
    : says({ _tag: "Unavailable", reason: "Protocol", retryable: false }, `the server insists on encoding: ${coding}`)
}

const protocolBroken = (what: string): Driver.Failure =>
  explain({ _tag: "Unavailable", reason: "Protocol", retryable: false }, what)

const countOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** RFC 9110 §5.6.7: always in GMT, which `DateTime` takes for granted where no zone is named. */
const modifiedOf = ({ headers }: Response): DateTime.Utc =>
  Option.getOrElse(
    DateTime.make((headers["last-modified"] ?? "").replace(/ GMT$/, "")),
    () => DateTime.unsafeMake(0)
  )

/** The server's own, or else one made of what it says; which is as exact as that. */
const etagOf = (response: Response, size: number): string =>
  response.headers["etag"] ?? `${size}-${DateTime.toEpochMillis(modifiedOf(response))}`

const versionOf = (response: Response, size: number): Version => ({
  size,
  etag: etagOf(response, size),
  modifiedAt: modifiedOf(response)
})

const isStrong = (etag: string): boolean => /^"[^"]*"$/.test(etag)

/** @internal HEAD; it holds no connection afterwards. */
export const statObject = (site: Site, key: StorePath.Key): Effect.Effect<Driver.Node, Driver.Failure> =>
  Effect.scoped(Effect.flatMap(ask(site, "HEAD", key, {}), (response) => {
    const size = countOf(response.headers["content-length"])
    return size === undefined
      ? Effect.fail(protocolBroken("the server does not say how long the object is"))
      : Effect.succeed<Driver.Node>({
        _tag: "Object",
        version: versionOf(response, size),
        attributes: { contentType: Option.fromNullable(response.headers["content-type"]), metadata: {} }
      })
  }))

/** The `Range` header for a range, where it has one: none for no bytes at all. */
const rangeHeader = (range: Range): string | undefined => {
  if ("suffix" in range) return range.suffix === 0 ? undefined : `bytes=-${range.suffix}`
  if (range.length === undefined) return `bytes=${range.offset}-`
  return range.length === 0 ? undefined : `bytes=${range.offset}-${range.offset + range.length - 1}`
}

/** Where the body of an answer lies in its object. */
interface Span {
  readonly start: number
  readonly end: number
  readonly size: number
}

const spanOf = (response: Response): Span | Driver.Failure => {
  if (response.status === 206) {
    const [, first, last, size] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(
      response.headers["content-range"] ?? ""
    ) ?? []
    return size === undefined
      ? protocolBroken("the server does not say which part of the object it sends")
      : { start: Number(first), end: Number(last) + 1, size: Number(size) }
  }
  const size = response.status === 416
    ? countOf(/^bytes \*\/(\d+)$/.exec(response.headers["content-range"] ?? "")?.[1])
    : countOf(response.headers["content-length"])
  if (size !== undefined) return { start: 0, end: response.status === 416 ? 0 : size, size }
  return protocolBroken("the server does not say how long the object is")
}

const nothing = Effect.succeed(undefined)

/**
 * @internal GET. A server may send more than was asked (it may ignore `Range`), but never other bytes: what lies
 * before and behind is left out. The version is checked here as well, for a server that ignores `If-Match`.
 */
export const getObject = (
  site: Site,
  key: StorePath.Key,
  { ifMatch, range }: Driver.GetOptions
): Effect.Effect<Driver.OpenObject, Driver.Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const wanted = range === undefined ? undefined : rangeHeader(range)
    const headers = {
      ...(wanted === undefined ? {} : { range: wanted }),
      ...(ifMatch === undefined || !isStrong(ifMatch) ? {} : { "if-match": ifMatch }),
      // A version that has gone comes whole then, and is seen by its etag.
      ...(ifMatch === undefined || !isStrong(ifMatch) || wanted === undefined ? {} : { "if-range": ifMatch })
    }
    const isEmpty = range !== undefined && wanted === undefined
    const response = yield* ask(site, isEmpty ? "HEAD" : "GET", key, headers)
    const sent = spanOf(response)
    if (sent instanceof Driver.Failure) return yield* sent
    const etag = etagOf(response, sent.size)
    // An answer 416 names the length of the object and seldom its version: only a HEAD tells.
    if (ifMatch !== undefined) {
      yield* response.status === 416 ? checkVersion(site, key, ifMatch) : sameVersion(etag, ifMatch)
    }
    const asked = resolveRange(range, sent.size)
    const size = asked.end - asked.start
    if (size === 0 || isEmpty) return { size: 0, etag, pull: nothing }
    if (sent.start > asked.start || sent.end < asked.end) {
      return yield* protocolBroken("the server sends another part of the object than it was asked for")
    }
    return { size, etag, pull: yield* pullBody(response, asked.start - sent.start, size) }
  })

const sameVersion = (etag: string, ifMatch: string): Effect.Effect<void, Driver.Failure> =>
  etag === ifMatch
    ? Effect.void
    : Effect.fail(explain({ _tag: "PreconditionFailed" }, "the server sends another version than was asked for"))

const checkVersion = (site: Site, key: StorePath.Key, ifMatch: string): Effect.Effect<void, Driver.Failure> =>
  Effect.flatMap(
    statObject(site, key),
    (node) => sameVersion(node._tag === "Object" ? node.version.etag : "", ifMatch)
  )

const pullBody = (response: Response, skip: number, size: number) =>
  Effect.map(Stream.toPull(response.stream), (pull): Driver.OpenObject["pull"] => {
    let before = skip
    let missing = size
    const next: Driver.OpenObject["pull"] = Effect.suspend(() =>
      missing === 0 ? nothing : Effect.matchEffect(pull, {
        onFailure: (end) => Option.isSome(end) ? Effect.fail(unreached(end.value)) : nothing,
        onSuccess: (chunk) => {
          const bytes = take(chunk)
          return bytes.length === 0 ? next : Effect.succeed(bytes)
        }
      })
    )
    const take = (chunk: Chunk.Chunk<Uint8Array>): Uint8Array => {
      const parts = Chunk.toReadonlyArray(chunk)
      const bytes = parts.length === 1 ? parts[0] ?? new Uint8Array(0) : concat(parts)
      const rest = bytes.subarray(Math.min(before, bytes.length))
      before -= bytes.length - rest.length
      const wanted = rest.length > missing ? rest.subarray(0, missing) : rest
      missing -= wanted.length
      return wanted
    }
    return next
  })

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let length = 0
  for (const part of parts) {
    all.set(part, length)
    length += part.length
  }
  return all
}
