/**
 * A model behind the OpenAI chat completions protocol: OpenAI itself, Ollama,
 * llama.cpp, vLLM, LM Studio and many others.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Chunk from "effect/Chunk"
import type { ConfigError } from "effect/ConfigError"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { OpenAiChatConfig } from "./AgentConfig.ts"
import * as AgentConfig from "./AgentConfig.ts"
import { ModelError } from "./AgentError.ts"
import type { ModelEvent, ModelRequest } from "./ChatModel.ts"
import { ChatModel } from "./ChatModel.ts"
import { SseDecoder } from "./internal/decodeSse.ts"
import { parseMonth } from "./internal/parseValues.ts"
import { readErrorBody, readModelChunk } from "./internal/readModelChunk.ts"
import { writeModelRequest } from "./internal/writeModelRequest.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Up to and with the version, such as `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string
  readonly model: string
  readonly apiKey?: Redacted.Redacted | undefined
  /** How long the server may be silent, before and between chunks. Default: 60 seconds. */
  readonly idleTimeout?: Duration.DurationInput
  /** How often a request is repeated when nothing of its answer was seen yet. Default: 2. */
  readonly retries?: number
  /** The most bytes of one answer. Default: 16 MiB. */
  readonly maxResponseBytes?: number
}

/** A server that asks to wait longer than this is not waited for. */
const longestWaitMillis = 60_000
const firstWaitMillis = 500
const lastBytesWait = "100 millis"
const maxErrorBytes = 64 * 1024

type Fields = ConstructorParameters<typeof ModelError>[0]
type Failure = (fields: Pick<Fields, "reason" | "detail"> & Partial<Fields>) => ModelError
type Pull = Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<HttpClientError>>

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<typeof ChatModel.Service, never, HttpClient.HttpClient> =>
  Effect.map(HttpClient.HttpClient, (client) => {
    const url = `${options.baseUrl.replace(/\/+$/, "")}/chat/completions`
    const key = options.apiKey === undefined ? undefined : Redacted.value(options.apiKey)
    const failure: Failure = (fields) => {
      const detail = key === undefined || key === "" ? fields.detail : fields.detail.replaceAll(key, "<redacted>")
      return new ModelError({ model: options.model, url, ...fields, detail })
    }
    const base = HttpClientRequest.post(url, { headers: { accept: "text/event-stream" } })
    const authorized = options.apiKey === undefined ? base : HttpClientRequest.bearerToken(base, options.apiKey)
    const idle = Duration.decode(options.idleTimeout ?? "60 seconds")
    const limit = options.maxResponseBytes ?? 16 * 1024 * 1024
    const inTime = <A, E>(effect: Effect.Effect<A, E>, fail: (error: ModelError) => E): Effect.Effect<A, E> =>
      Effect.timeoutFail(effect, {
        duration: idle,
        onTimeout: () => fail(failure({ reason: "Timeout", detail: `It was silent for ${Duration.format(idle)}.` }))
      })

    /** Sends the request and gives what reads the answer's bytes. */
    const open = (request: ModelRequest): Effect.Effect<Pull, ModelError, Scope> =>
      HttpClientRequest.bodyUnsafeJson(authorized, writeModelRequest(options.model, request)).pipe(
        client.execute,
        Effect.mapError((error) => unavailable(failure, error)),
        (sent) => inTime(sent, (error) => error),
        Effect.flatMap((response) =>
          response.status >= 200 && response.status < 300
            ? Stream.toPull(isEventStream(response) ? response.stream : asEventStream(response.stream, limit))
            : Effect.flatMap(inTime(rejection(failure, response), (error) => error), Effect.fail)
        )
      )

    const attempt = (request: ModelRequest, onVisible: () => void): Stream.Stream<ModelEvent, ModelError> =>
      Stream.unwrapScoped(Effect.map(open(request), (pull) => {
        const reader = new Reader(failure, limit)
        const more = inTime(
          Effect.mapError(pull, Option.map((error) => dropped(failure, error))),
          Option.some
        )
        const next: Effect.Effect<Chunk.Chunk<ModelEvent>, Option.Option<ModelError>> = Effect.suspend(() =>
          reader.done ? readToEnd(pull) : Effect.matchEffect(more, {
            onFailure: (error) => Effect.fail(reader.end(error)),
            onSuccess: (bytes) => {
              const events = reader.read(bytes)
              if (!Array.isArray(events)) return Effect.fail(Option.some(events))
              if (events.length === 0) return next
              onVisible()
              return Effect.succeed(Chunk.unsafeFromArray(events))
            }
          })
        )
        return Stream.repeatEffectChunkOption(next)
      }))

    return ChatModel.of({
      name: options.model,
      stream: (request) =>
        Stream.suspend(() => {
          let visible = false
          return attempt(request, () => {
            visible = true
          }).pipe(Stream.retry(retryPolicy(options.retries ?? 2, () => visible)))
        })
    })
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<ChatModel, never, HttpClient.HttpClient> =>
  Layer.effect(ChatModel, make(options))

/**
 * Address, model and key from the environment, see `AgentConfig.openAiChat`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<ChatModel, ConfigError, HttpClient.HttpClient> = Layer.effect(
  ChatModel,
  Effect.flatMap(AgentConfig.openAiChat, (config: OpenAiChatConfig) => make(config))
)

/**
 * After the last event the body is read to its end, which is there already on
 * most servers: only then can the connection be used again.
 */
const readToEnd = (pull: Pull): Effect.Effect<never, Option.Option<never>> =>
  Effect.forever(pull).pipe(
    Effect.timeoutOption(lastBytesWait),
    Effect.ignore,
    Effect.zipRight(Effect.fail(Option.none()))
  )

/** Bytes in, events out, with what is left over kept for the next chunk. */
class Reader {
  done = false
  private finished = false
  private size = 0
  private readonly decoder = new SseDecoder()
  constructor(private readonly failure: Failure, private readonly limit: number) {}

  read(chunks: Chunk.Chunk<Uint8Array>): Array<ModelEvent> | ModelError {
    const events: Array<ModelEvent> = []
    for (const bytes of Chunk.toReadonlyArray(chunks)) {
      this.size += bytes.byteLength
      if (this.size > this.limit) {
        return this.failure({ reason: "TooLarge", detail: `The answer is larger than ${this.limit} bytes.` })
      }
      for (const payload of this.decoder.push(bytes)) {
        if (this.done) break
        const problem = this.payload(payload, events)
        if (problem !== undefined) return problem
      }
    }
    return events
  }

  /** The connection ended: that is an error unless the answer was said to be complete. */
  end(error: Option.Option<ModelError>): Option.Option<ModelError> {
    if (this.finished || Option.isSome(error)) return this.finished ? Option.none() : error
    const where = this.decoder.held > 0 ? "a line" : "the answer"
    return Option.some(this.failure({ reason: "Truncated", detail: `The connection ended within ${where}.` }))
  }

  private payload(payload: string, events: Array<ModelEvent>): ModelError | undefined {
    if (payload === "[DONE]") {
      this.done = true
      if (!this.finished) events.push({ _tag: "Finish", reason: "unknown" })
      this.finished = true
      return undefined
    }
    const chunk = readModelChunk(payload)
    switch (chunk._tag) {
      case "Malformed":
        return this.failure({ reason: "Malformed", detail: chunk.detail })
      case "Refused":
        return this.failure({
          reason: chunk.code === undefined ? "ServerError" : reasonOfStatus(chunk.code),
          detail: chunk.detail
        })
      case "Events":
        this.finished ||= chunk.finished
        events.push(...chunk.events)
        return undefined
    }
  }
}

/** Repeats only what can help and what nobody has seen anything of. */
const retryPolicy = (retries: number, isVisible: () => boolean) =>
  Schedule.recurs(retries).pipe(
    Schedule.intersect(Schedule.identity<ModelError>()),
    Schedule.addDelay(([attempt, error]) => error.retryAfterMillis ?? firstWaitMillis * 2 ** attempt),
    // Never shorter than what the server asked for.
    Schedule.jitteredWith({ min: 1, max: 1.25 }),
    Schedule.whileInput((error: ModelError) =>
      error.retryable && !isVisible() && (error.retryAfterMillis ?? 0) <= longestWaitMillis
    )
  )

const isEventStream = (response: HttpClientResponse) =>
  !(response.headers["content-type"] ?? "").startsWith("application/json")

/** Some servers answer with one JSON document although a stream was asked for. */
const asEventStream = <E>(body: Stream.Stream<Uint8Array, E>, limit: number): Stream.Stream<Uint8Array, E> =>
  Stream.unwrap(
    // Reads little more than the limit; the reader then says that it is too large.
    Stream.runFoldWhile(Stream.decodeText(body), "", (text) => text.length <= limit, (text, more) => text + more).pipe(
      Effect.map((json) => {
        const lines = json.split(/\r\n|[\r\n]/).map((line) => `data: ${line}\n`).join("")
        return Stream.make(new TextEncoder().encode(`${lines}\n`))
      })
    )
  )

/** What lies under a client's error; the request itself is left out, its headers hold the key. */
const underlying = (error: HttpClientError) => error.cause === undefined ? {} : { cause: error.cause }

const unavailable = (failure: Failure, error: HttpClientError): ModelError =>
  failure({ reason: "Unavailable", detail: `The request could not be sent (${error.reason}).`, ...underlying(error) })

const dropped = (failure: Failure, error: HttpClientError): ModelError =>
  failure({ reason: "Truncated", detail: "The connection broke within the answer.", ...underlying(error) })

const reasonOfStatus = (status: number): ModelError["reason"] =>
  status === 401 || status === 403
    ? "Unauthorized"
    : status === 408
    ? "Timeout"
    : status === 429
    ? "RateLimited"
    : status >= 500
    ? "ServerError"
    : "Rejected"

const rejection = (failure: Failure, response: HttpClientResponse): Effect.Effect<ModelError> =>
  Effect.gen(function*() {
    const body = yield* response.stream.pipe(
      Stream.decodeText(),
      Stream.scan("", (text, more) => text + more),
      Stream.takeUntil((text) => text.length > maxErrorBytes),
      Stream.runLast,
      Effect.map(Option.getOrElse(() => "")),
      Effect.orElseSucceed(() => "")
    )
    const { status } = response
    const retryAfterMillis = yield* retryAfter(response)
    return failure({ reason: reasonOfStatus(status), status, detail: readErrorBody(body), retryAfterMillis })
  })

/** The one date format that servers must send (RFC 9110, 5.6.7). */
const parseHttpDate = (text: string): Option.Option<DateTime.Utc> => {
  const [, day, month, year, hours, minutes, seconds] =
    /^\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/.exec(text.trim()) ?? []
  const number = parseMonth(month ?? "")
  return number === undefined ? Option.none() : DateTime.make({
    year: Number(year),
    month: number,
    day: Number(day),
    hours: Number(hours),
    minutes: Number(minutes),
    seconds: Number(seconds)
  })
}

/** `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
const retryAfter = (response: HttpClientResponse): Effect.Effect<number | undefined> =>
  Effect.suspend(() => {
    const millis = Number(response.headers["retry-after-ms"] ?? Number.NaN)
    if (millis >= 0) return Effect.succeed(millis)
    const text = response.headers["retry-after"]
    if (text === undefined) return Effect.succeed(undefined)
    if (/^\d+(\.\d+)?$/.test(text.trim())) return Effect.succeed(Number(text) * 1000)
    return Option.match(parseHttpDate(text), {
      onNone: () => Effect.succeed(undefined),
      onSome: (date) => Effect.map(DateTime.now, (now) => Math.max(0, DateTime.distance(now, date)))
    })
  })
