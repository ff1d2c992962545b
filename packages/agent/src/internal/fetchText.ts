import type * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { FetchError } from "../AgentError.ts"

const maxBytes = 5 * 1024 * 1024
const pageTimeout = "20 seconds"

/** @internal What stands at an address, as text, and its media type without parameters. */
export const fetchText = (
  client: HttpClient.HttpClient,
  url: string
): Effect.Effect<{ readonly media: string; readonly text: string }, FetchError> =>
  Effect.gen(function*() {
    const address = yield* parseAddress(url)
    const request = HttpClientRequest.get(address, {
      headers: { accept: "text/html, text/*;q=0.9, application/json;q=0.8" }
    })
    const response = yield* client.execute(request)
    const { status } = response
    if (status < 200 || status >= 300) {
      return yield* new FetchError({
        reason: "Status",
        url,
        status,
        detail: `The server answered with status ${status}.`
      })
    }
    const contentType = response.headers["content-type"] ?? "text/plain"
    const media = contentType.split(";")[0]!.trim().toLowerCase()
    if (!/^text\/|^application\/(?:[\w.+-]*\+)?(?:json|xml)$|^application\/xhtml\+xml$/.test(media)) {
      const detail = `It is ${media}; only HTML, text, JSON and XML can be read.`
      return yield* new FetchError({ reason: "ContentType", url, detail })
    }
    return { media, text: yield* readBody(response, url, contentType) }
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      RequestError: (error) => Effect.fail(unreachable(url, error)),
      ResponseError: (error) => Effect.fail(unreachable(url, error))
    }),
    Effect.timeoutFail({
      duration: pageTimeout,
      onTimeout: () => new FetchError({ reason: "Timeout", url, detail: `No whole answer within ${pageTimeout}.` })
    })
  )

const parseAddress = (url: string): Effect.Effect<URL, FetchError> => {
  const invalid = (detail: string) => new FetchError({ reason: "InvalidUrl", url, detail })
  return Effect.flatMap(
    Effect.try({
      try: () => new URL(url),
      catch: () => invalid("It is not a full address such as https://example.com/.")
    }),
    (address) => {
      if (address.protocol !== "http:" && address.protocol !== "https:") {
        return Effect.fail(invalid("Only http and https addresses can be fetched."))
      }
      return address.username !== "" || address.password !== ""
        ? Effect.fail(invalid("Addresses with a user name or password are not fetched."))
        : Effect.succeed(address)
    }
  )
}

/** What a network failure says about itself; the request is left out, it may hold secrets. */
const unreachable = (url: string, error: HttpClientError): FetchError => {
  const { cause } = error
  const detail = Predicate.hasProperty(cause, "message") ? `: ${String(cause.message)}` : ""
  return new FetchError({ reason: "Unreachable", url, detail: `It could not be reached (${error.reason}${detail}).` })
}

const readBody = (
  response: HttpClientResponse,
  url: string,
  contentType: string
): Effect.Effect<string, FetchError | HttpClientError> =>
  Effect.suspend(() => {
    const decoder = makeDecoder(/charset=["']?([\w-]+)/i.exec(contentType)?.[1] ?? "utf-8")
    let size = 0
    let text = ""
    return response.stream.pipe(
      Stream.runForEach((bytes) => {
        size += bytes.byteLength
        if (size > maxBytes) {
          const detail = `It is larger than ${maxBytes / 1024 / 1024} MB.`
          return Effect.fail(new FetchError({ reason: "TooLarge", url, detail }))
        }
        text += decoder.decode(bytes, { stream: true })
        return Effect.void
      }),
      Effect.map(() => text + decoder.decode())
    )
  })

/** Pages name encodings that do not exist; those are read as UTF-8. */
const makeDecoder = (label: string): TextDecoder => {
  try {
    return new TextDecoder(label)
  } catch {
    return new TextDecoder()
  }
}
