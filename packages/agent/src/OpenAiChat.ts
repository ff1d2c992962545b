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
import type { ConfigError } from "effect/ConfigError"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { OpenAiChatConfig } from "./AgentConfig.ts"
import * as AgentConfig from "./AgentConfig.ts"
import { ModelError } from "./AgentError.ts"
import type { Body } from "./BodyReader.ts"
import { BodyReader, fromStream } from "./BodyReader.ts"
import type { ModelEvent, ModelRequest } from "./ChatModel.ts"
import { ChatModel } from "./ChatModel.ts"
import { CurrentAlarm, limitTime } from "./internal/keepTime.ts"
import { parseMonth } from "./internal/parseValues.ts"
import { raceLimit } from "./internal/raceLimit.ts"
import type { Failure } from "./internal/readModelBytes.ts"
import { ModelReader, reasonOfStatus } from "./internal/readModelBytes.ts"
import { readErrorBody } from "./internal/readModelChunk.ts"
import { Silence } from "./internal/watchSilence.ts"
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

type OnEvents<R> = (events: ReadonlyArray<ModelEvent>) => Effect.Effect<void, never, R>

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<typeof ChatModel.Service, never, HttpClient.HttpClient> =>
  Effect.zipWith(HttpClient.HttpClient, BodyReader, (client, bodyOf) => {
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
    const silent = Effect.suspend(() =>
      Effect.fail(failure({ reason: "Timeout", detail: `It was silent for ${Duration.format(idle)}.` }))
    )

    /** Sends the request and gives the body of the answer. */
    const open = (request: ModelRequest): Effect.Effect<Body, ModelError> =>
      HttpClientRequest.bodyUnsafeJson(authorized, writeModelRequest(options.model, request)).pipe(
        client.execute,
        Effect.matchEffect({
          onFailure: (error) => Effect.fail(unavailable(failure, error)),
          onSuccess: (response) =>
            response.status < 200 || response.status >= 300
              ? Effect.flatMap(rejection(failure, response), Effect.fail)
              : isEventStream(response)
              ? bodyOf(response)
              : fromStream(asEventStream(response.stream, limit))
        })
      )

    const attempt = <R>(request: ModelRequest, onEvents: OnEvents<R>): Effect.Effect<void, ModelError, R> =>
      Effect.flatMap(CurrentAlarm, (alarm) =>
        Effect.clockWith((clock) => {
          const reader = new ModelReader(failure, limit)
          const millis = Duration.toMillis(idle)
          const silence = new Silence(clock, millis)
          let waiting: Effect.Effect<void, ModelError, R> = Effect.void
          // Hot path: no effect runs for a piece unless somebody has to wait.
          const take = (pieces: ReadonlyArray<Uint8Array>): boolean => {
            const events = reader.read(pieces)
            waiting = !Array.isArray(events)
              ? Effect.fail(events)
              : events.length === 0
              ? Effect.void
              : onEvents(events)
            const goesOn = waiting === Effect.void
            if (goesOn) silence.resume()
            else silence.pause()
            return goesOn && !reader.done
          }
          const onEnd = (end: Option.Option<HttpClientError>) => {
            const error = reader.end(Option.map(end, (broken) => dropped(failure, broken)))
            reader.done = true
            return error === undefined ? Effect.void : Effect.fail(error)
          }
          const read = (body: Body): Effect.Effect<void, ModelError, R> =>
            Effect.whileLoop({
              while: () => !reader.done,
              body: () =>
                Effect.matchEffect(body.read(take), {
                  onFailure: (broken) => onEnd(Option.some(broken)),
                  onSuccess: (more) => more ? Effect.map(waiting, () => silence.resume()) : onEnd(Option.none())
                }),
              step: () => undefined
            })
          const answer = Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(
              restore(open(request)),
              (body) => Effect.ensuring(restore(Effect.zipRight(read(body), readToEnd(body))), body.leave)
            )
          )
          return limitTime(answer, { clock, alarm, millis, left: silence.left, outcome: silent })
        }))

    return ChatModel.of({
      name: options.model,
      answer: (request, onEvents) =>
        Effect.suspend(() => {
          let visible = false
          const once = attempt(request, (events) => {
            visible = true
            return onEvents(events)
          })
          return Effect.catchAll(once, (error) => repeat(once, error, retryPolicy(options.retries ?? 2, () => visible)))
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
const readToEnd = (body: Body): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (body.isOver()) return Effect.void
    return Effect.flatMap(Effect.fork(body.read(() => true)), (rest) =>
      // What is there already is read within one turn, which is cheaper than a timer.
      Effect.flatMap(Effect.yieldNow(), () =>
        rest.unsafePoll() === null
          ? raceLimit(Fiber.await(rest), Effect.sleep(lastBytesWait)).pipe(Effect.zipRight(Fiber.interrupt(rest)))
          : Effect.void))
  })

/** What failed with `first` is tried again by the policy; what does not fail pays nothing for it. */
const repeat = <R, Out>(
  once: Effect.Effect<void, ModelError, R>,
  first: ModelError,
  policy: Schedule.Schedule<Out, ModelError>
): Effect.Effect<void, ModelError, R> => {
  let tried = false
  return Effect.retry(
    Effect.suspend(() => {
      if (tried) return once
      tried = true
      return Effect.fail(first)
    }),
    policy
  )
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
