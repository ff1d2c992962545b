/**
 * Records what a client and a server say to each other, and plays it back without the server: strictly, each exchange as
 * often as it was recorded.
 *
 * @since 0.1.0
 */
import * as Cookies from "@effect/platform/Cookies"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import { RequestError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { rawSetCookies } from "../internal/readBody.ts"
import { bodyBytes } from "./bodyBytes.ts"
import type { Entry, Recording } from "./Recording.ts"

/**
 * A request that a replay does not have (any more).
 *
 * @since 0.1.0
 * @category errors
 */
export class UnrecordedRequest extends Data.TaggedError("UnrecordedRequest")<{
  readonly method: string
  readonly url: string
  /** Method and URL of what is recorded and was not asked for yet. */
  readonly recorded: ReadonlyArray<string>
}> {
  override get message(): string {
    const left = this.recorded.join(", ") || "nothing"
    return `${this.method} ${this.url} was not recorded with this body, or not as often. Not asked for yet: ${left}.`
  }
}

/**
 * Whose values become `REDACTED` in the recording, beside Authorization, Cookie, Set-Cookie, Proxy-Authorization,
 * X-Api-Key and parameters named like tokens and keys. Names in lower case. Bodies are recorded as they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface RedactOptions {
  readonly headers?: ReadonlyArray<string> | undefined
  readonly parameters?: ReadonlyArray<string> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Recorder {
  readonly client: HttpClient.HttpClient
  /** Every exchange that has ended so far. */
  readonly recording: Effect.Effect<Recording>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Replay {
  readonly client: HttpClient.HttpClient
  /** What was recorded and not asked for yet. */
  readonly unused: Effect.Effect<ReadonlyArray<Entry>>
}

const redacted = "REDACTED"
const secretHeaders = [
  "authorization",
  "cookie",
  "proxy-authorization",
  "x-api-key",
  "x-auth-token",
  "x-amz-security-token"
]
const secretParameters = ["access_token", "api_key", "apikey", "key", "token", "secret", "signature", "sig", "password"]

type Pairs = ReadonlyArray<readonly [name: string, value: string]>

const redactUrl = (url: URL, parameters: ReadonlySet<string>): URL => {
  const made = new URL(url)
  made.hash = ""
  made.username = ""
  made.password = ""
  const present = [...made.searchParams.keys()].filter((name) => parameters.has(name.toLowerCase()))
  for (const name of present) made.searchParams.set(name, redacted)
  return made
}

const redact = (options: RedactOptions) => {
  const headers = new Set([...secretHeaders, ...(options.headers ?? [])])
  const parameters = new Set([...secretParameters, ...(options.parameters ?? [])])
  const valueOf = (name: string, value: string, base: URL): string => {
    // the name and the attributes of a cookie stay, so that a replay sets one
    if (name === "set-cookie") return value.replace(/^([^=;]*=)[^;]*/, `$1${redacted}`)
    if (name === "location" && URL.canParse(value, base)) {
      const to = new URL(value, base)
      const safe = redactUrl(to, parameters)
      return safe.search === to.search ? value : safe.href
    }
    return headers.has(name) ? redacted : value
  }
  return {
    headers: (pairs: Pairs, url: URL) =>
      pairs.map(([name, value]) => ({ name, value: valueOf(name.toLowerCase(), value, url) })),
    url: (url: URL): string => redactUrl(url, parameters).href
  }
}

/** Text where the bytes are UTF-8, else base64. */
const encode = (bytes: Uint8Array): { readonly text: string; readonly base64: boolean } => {
  const buffer = Buffer.from(bytes)
  const text = buffer.toString("utf8")
  return Buffer.from(text).equals(buffer)
    ? { text, base64: false }
    : { text: buffer.toString("base64"), base64: true }
}

const decode = (text: string, isBase64: boolean): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(text, isBase64 ? "base64" : "utf8"))

const bodyless = new Set([204, 205, 304])

const rebuild = (
  request: HttpClientRequest,
  status: number,
  headers: Pairs,
  body: Uint8Array<ArrayBuffer>
): Effect.Effect<HttpClientResponse.HttpClientResponse, RequestError> =>
  Effect.try({
    try: () => {
      const made = new Headers()
      for (const [name, value] of headers) made.append(name, value)
      const source = new Response(bodyless.has(status) ? null : body, { status, headers: made })
      return HttpClientResponse.fromWeb(request, source)
    },
    catch: (cause) =>
      new RequestError({ request, reason: "Transport", cause, description: `a status of ${status} cannot be replayed` })
  })

/** Every field; Set-Cookie each on its own, as it was received. */
const fieldsOf = (response: HttpClientResponse.HttpClientResponse): Pairs => [
  ...Object.entries(response.headers).filter(([name]) => name !== "set-cookie"),
  ...(rawSetCookies(response) ?? Cookies.toSetCookieHeaders(response.cookies)).map((value) =>
    ["set-cookie", value] as const
  )
]

/**
 * A client that records what goes through it. The body of a response is read to its end before the caller has the
 * response. Put it next to the network: below cookies, redirects and retries, each of whose requests is then an exchange.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { Recorder, Recording } from "@sennit/http-client/testing"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const { client, recording } = yield* Recorder.record(yield* HttpClient.HttpClient)
 *   yield* client.get("https://api.example.com/users/1")
 *   yield* Recording.write("users.har", yield* recording)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const record = (
  client: HttpClient.HttpClient,
  options: RedactOptions = {}
): Effect.Effect<Recorder> =>
  Effect.sync(() => {
    const entries: Array<Entry> = []
    const safe = redact(options)
    const recording = HttpClient.make((request, url) =>
      Effect.gen(function*() {
        const started = yield* Clock.currentTimeMillis
        const sent = yield* bodyBytes(request)
        const response = yield* client.execute(request)
        const body = new Uint8Array(yield* response.arrayBuffer)
        const fields = fieldsOf(response)
        const posted = encode(sent)
        const received = encode(body)
        entries.push({
          startedDateTime: DateTime.formatIso(DateTime.unsafeMake(started)),
          time: (yield* Clock.currentTimeMillis) - started,
          request: {
            method: request.method,
            url: safe.url(url),
            httpVersion: "HTTP/1.1",
            headers: safe.headers(Object.entries(request.headers), url),
            ...(sent.length === 0 ? {} : {
              postData: {
                mimeType: request.headers["content-type"] ?? "application/octet-stream",
                text: posted.text,
                ...(posted.base64 ? { _encoding: "base64" } : {})
              }
            })
          },
          response: {
            status: response.status,
            statusText: "",
            httpVersion: "HTTP/1.1",
            headers: safe.headers(fields, url),
            content: {
              size: body.length,
              mimeType: response.headers["content-type"] ?? "application/octet-stream",
              text: received.text,
              ...(received.base64 ? { encoding: "base64" } : {})
            }
          }
        })
        return yield* rebuild(request, response.status, fields, body)
      })
    )
    return {
      client: recording,
      recording: Effect.sync((): Recording => ({
        log: { version: "1.2", creator: { name: "@sennit/http-client", version: "1" }, entries: [...entries] }
      }))
    }
  })

const keyOf = (method: string, url: string, body: Uint8Array): string =>
  `${method} ${url}\n${Buffer.from(body).toString("base64")}`

const entryKey = ({ request }: Entry): string => {
  const { postData } = request
  const body = postData === undefined ? new Uint8Array(0) : decode(postData.text, postData._encoding === "base64")
  return keyOf(request.method, request.url, body)
}

const unrecorded = (request: HttpClientRequest, url: string, left: Iterable<Entry>): RequestError => {
  const cause = new UnrecordedRequest({
    method: request.method,
    url,
    recorded: Array.from(left, (entry) => `${entry.request.method} ${entry.request.url}`)
  })
  return new RequestError({ request, reason: "Transport", cause, description: cause.message })
}

/**
 * A client that answers from a recording. A request is found by its method, URL and body, whatever its headers; several
 * that are alike are answered in the order in which they were recorded, each once. Whatever else is asked fails with a
 * `RequestError` whose cause is `UnrecordedRequest`.
 *
 * @example
 * ```ts
 * import { Recorder, Recording } from "@sennit/http-client/testing"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const { client, unused } = yield* Recorder.replay(yield* Recording.read("users.har"))
 *   const response = yield* client.get("https://api.example.com/users/1")
 *   return [yield* response.json, (yield* unused).length]
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const replay = (recording: Recording, options: RedactOptions = {}): Effect.Effect<Replay> =>
  Effect.sync(() => {
    const left = new Set(recording.log.entries)
    const safe = redact(options)
    const client = HttpClient.make((request, url): Effect.Effect<
      HttpClientResponse.HttpClientResponse,
      HttpClientError
    > =>
      Effect.flatMap(bodyBytes(request), (body) => {
        const asked = safe.url(url)
        const key = keyOf(request.method, asked, body)
        const found = [...left].find((entry) => entryKey(entry) === key)
        if (found === undefined) return Effect.fail(unrecorded(request, asked, left))
        left.delete(found)
        const { content, headers, status } = found.response
        return rebuild(
          request,
          status,
          headers.map(({ name, value }) => [name, value] as const),
          decode(content.text ?? "", content.encoding === "base64")
        )
      })
    )
    return { client, unused: Effect.sync(() => [...left]) }
  })
