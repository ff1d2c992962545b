/**
 * What the endpoints have in common: who asks, which agents answer, and how a
 * refusal looks.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Agent } from "../Agent.ts"
import type { ModelError } from "../AgentError.ts"
import { EndpointError } from "../AgentError.ts"
import type { ChatModel } from "../ChatModel.ts"

/**
 * What a request says about who sent it. `key` is that of `Authorization:
 * Bearer` or `Api-Key`; `conversation` that of `X-Conversation-Id`, empty when
 * there is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  readonly key: Option.Option<Redacted.Redacted>
  readonly conversation: string
  readonly request: HttpServerRequest.HttpServerRequest
}

/**
 * Who asks, in which conversation. The key is there for tools that work with
 * the caller's own; it is kept nowhere.
 *
 * @since 0.1.0
 * @category models
 */
export interface Caller {
  readonly user: string
  readonly conversation: string
  readonly key: Option.Option<Redacted.Redacted>
}

/**
 * The agents by name, who may ask, and what the agents need for one caller:
 * the model, and that person's files and notes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<R> {
  readonly agents: Readonly<Record<string, Agent<R>>>
  /** Answers the user that these credentials belong to; fails with status 401 or 403. */
  readonly authenticate: (credentials: Credentials) => Effect.Effect<string, EndpointError>
  readonly services: (caller: Caller) => Effect.Effect<Context.Context<ChatModel | R>, EndpointError>
  /** The most bytes of one request. Default: 4 MiB. */
  readonly maxBodyBytes?: number
  /** How many requests of one user are answered at a time; another gets status 429. Default: 8. */
  readonly maxPerUser?: number
}

/** @internal */
export const refusal = (
  status: number,
  detail: string,
  fields: { readonly type?: string; readonly code?: string; readonly param?: string } = {}
): EndpointError =>
  new EndpointError({ type: status >= 500 ? "runtime_error" : "invalid_request_error", ...fields, status, detail })

/** @internal */
export const readCaller = <R>(
  options: Options<R>
): Effect.Effect<Caller, EndpointError, HttpServerRequest.HttpServerRequest> =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const bearer = Option.filterMap(Headers.get(request.headers, "authorization"), (value) =>
      /^bearer /i.test(value) ? Option.some(value.slice(7).trim()) : Option.none())
    const key = Option.map(
      Option.orElse(Headers.get(request.headers, "api-key"), () =>
        bearer),
      (value) => Redacted.make(value)
    )
    const conversation = Option.getOrElse(Headers.get(request.headers, "x-conversation-id"), () => "")
    const user = yield* options.authenticate({ key, conversation, request })
    return { user, conversation, key }
  })

/**
 * So much of a body that is too long and did not announce it is read and dropped: whoever still sends cannot hear that
 * it was refused. After that the connection is closed.
 */
const droppedBytes = 64 * 1024 * 1024

/** @internal The decoded body; it is never held when it is too long. */
export const readBody = <A, I, R>(
  schema: Schema.Schema<A, I>,
  options: Options<R>
): Effect.Effect<A, EndpointError, HttpServerRequest.HttpServerRequest> =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const limit = options.maxBodyBytes ?? 4 * 1024 * 1024
    const tooLarge = () => refusal(413, `The request is larger than ${limit} bytes.`)
    const announced = Option.getOrElse(Headers.get(request.headers, "content-length"), () => "0")
    // Refused before it is read, so that the refusal can still be sent.
    if (Number(announced) > limit) return yield* tooLarge()
    let size = 0
    const parts: Array<Uint8Array> = []
    yield* request.stream.pipe(
      Stream.mapError(() => refusal(400, "The request could not be read.")),
      Stream.runForEach((bytes) => {
        size += bytes.length
        if (size <= limit) parts.push(bytes)
        else parts.length = 0
        return size > limit + droppedBytes ? Effect.fail(tooLarge()) : Effect.void
      })
    )
    if (size > limit) return yield* tooLarge()
    const json = yield* Effect.mapError(
      Schema.decode(Schema.parseJson())(Buffer.concat(parts).toString("utf8")),
      () => refusal(400, "The request body is not valid JSON.")
    )
    return yield* Effect.mapError(
      Schema.decodeUnknown(schema)(json),
      (error) => refusal(400, `The request is not as documented: ${error.message.slice(0, 500)}`)
    )
  })

/** @internal */
export const ofModelError = (error: ModelError): EndpointError => {
  const { reason, retryAfterMillis } = error
  const status = reason === "RateLimited" ? 429 : reason === "Timeout" ? 504 : reason === "Defect" ? 500 : 502
  return new EndpointError({
    status,
    type: reason === "RateLimited" ? "rate_limit_error" : "runtime_error",
    code: "model_error",
    // The address of the model, and what it said, are nothing for callers.
    detail: `The model did not answer (${reason}).`,
    retryAfterMillis
  })
}

/** @internal */
export const errorBody = ({ code, detail, param, type }: EndpointError): object => ({
  error: { message: detail, type, param: param ?? null, code: code ?? null }
})

/** @internal */
export const errorResponse = (error: EndpointError): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson(errorBody(error), {
    status: error.status,
    headers: error.retryAfterMillis === undefined
      ? {}
      : { "retry-after": String(Math.ceil(error.retryAfterMillis / 1000)) }
  })

/** @internal Counts what each user has open; frees it with the scope of the request. */
export class PerUser {
  private readonly open = new Map<string, number>()
  constructor(private readonly limit: number) {}

  enter(user: string): Effect.Effect<void, EndpointError, Scope> {
    return Effect.asVoid(Effect.acquireRelease(
      Effect.suspend(() => {
        const now = this.open.get(user) ?? 0
        if (now >= this.limit) {
          const detail = `${this.limit} requests of this user are being answered, which is the limit.`
          return Effect.fail(
            new EndpointError({
              status: 429,
              type: "rate_limit_error",
              code: "too_many_requests",
              detail,
              retryAfterMillis: 1000
            })
          )
        }
        this.open.set(user, now + 1)
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          const now = (this.open.get(user) ?? 1) - 1
          if (now === 0) this.open.delete(user)
          else this.open.set(user, now)
        })
    ))
  }
}

/** @internal A server-sent event with this data. */
export const sse = (data: string): string => `data: ${data}\n\n`

const encoder = new TextEncoder()

/** @internal Chunks of text as one piece of bytes each, at once and unbuffered. */
export const eventStream = <E>(
  text: Stream.Stream<string, E>
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(Stream.map(text, (part) => encoder.encode(part)), {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-cache", "x-accel-buffering": "no" }
  })
