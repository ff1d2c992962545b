/**
 * Repeating requests that may be repeated, when the server says and no more often than a budget allows.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import { isPassing, isTransient, isUnsent } from "./internal/classifyFailure.ts"
import { isReplayable } from "./internal/encodeBody.ts"
import { interceptSend, leave } from "./internal/interceptSend.ts"
import type { Send } from "./internal/interceptSend.ts"
import { parseDate } from "./SetCookie.ts"

/**
 * How many repetitions there may be for how many requests. Each first try earns a part of a repetition, each
 * repetition costs one, so an outage is not made worse by everyone asking again and again.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryBudget {
  /** A first try was made. */
  readonly earn: Effect.Effect<void>
  /** Take one repetition; false when there is none. */
  readonly spend: Effect.Effect<boolean>
}

/**
 * A budget to share between clients. `ratio`: repetitions per request (0.2); `reserve`: repetitions that may be made at
 * the start, and the most that can be saved (10).
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeBudget = (
  options: { readonly ratio?: number | undefined; readonly reserve?: number | undefined } = {}
): Effect.Effect<RetryBudget> => {
  const ratio = options.ratio ?? 0.2
  const reserve = options.reserve ?? 10
  return Effect.map(Ref.make(reserve), (saved) => ({
    earn: Ref.update(saved, (now) => Math.min(reserve, now + ratio)),
    spend: Ref.modify(saved, (now): readonly [boolean, number] => now >= 1 ? [true, now - 1] : [false, now])
  }))
}

/**
 * 100 milliseconds, doubled each time, with jitter between 80 and 120 per cent, at most 3 times.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultSchedule: Schedule.Schedule<unknown> = Schedule.exponential("100 millis").pipe(
  Schedule.jittered,
  Schedule.intersect(Schedule.recurs(3))
)

/**
 * - `schedule`: when to repeat, and how often (`defaultSchedule`)
 * - `retryAfter`: the longest `Retry-After` that is waited for (1 minute); a longer one gives the response as it is.
 *   Where the server names a time, it is waited for if it is longer than the schedule's
 * - `budget`: how many repetitions there may be in all (no bound but the schedule's)
 * - `idempotencyKey`: the name of a header, such as `Idempotency-Key`, that is sent with a random value with every POST
 *   and PATCH, the same for each repetition, which makes them repeatable. Only for servers that heed it
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryOptions {
  readonly schedule?: Schedule.Schedule<unknown> | undefined
  readonly retryAfter?: Duration.DurationInput | undefined
  readonly budget?: RetryBudget | undefined
  readonly idempotencyKey?: string | undefined
}

/** RFC 9110 §9.2.2 */
const idempotent = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])

/**
 * What a `Retry-After` value asks to wait, in milliseconds from `now`: seconds or an HTTP date (RFC 9110 §10.2.3).
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseRetryAfter = (value: string, now: number): Option.Option<number> => {
  const text = value.trim()
  if (/^\d{1,10}$/.test(text)) return Option.some(Number(text) * 1000)
  return Option.map(parseDate(text), (date) => Math.max(0, date - now))
}

/** What one try came to. */
type Tried = { readonly response: HttpClientResponse } | { readonly error: HttpClientError }

const mayRepeat = (tried: Tried, repeatable: boolean): boolean =>
  "error" in tried
    ? isPassing(tried.error) && (repeatable || isUnsent(tried.error))
    : repeatable && isTransient(tried.response.status)

const retrying = <E, R>(
  send: Send<E | HttpClientError, R>,
  request: HttpClientRequest.HttpClientRequest,
  options: RetryOptions,
  repeatable: boolean,
  isClientError: (error: E | HttpClientError) => error is HttpClientError
): Effect.Effect<HttpClientResponse, E | HttpClientError, R> =>
  Effect.gen(function*() {
    const { budget } = options
    const driver = yield* Schedule.driver(options.schedule ?? defaultSchedule)
    const longest = Duration.toMillis(options.retryAfter ?? "1 minute")
    if (budget !== undefined) yield* budget.earn
    while (true) {
      const tried: Tried = yield* send(request).pipe(
        Effect.map((response) => ({ response })),
        Effect.catchIf(isClientError, (error) => Effect.succeed({ error }))
      )
      const settle = "error" in tried ? Effect.fail(tried.error) : Effect.succeed(tried.response)
      if (!mayRepeat(tried, repeatable)) return yield* settle
      const started = yield* Clock.currentTimeMillis
      const asked = "error" in tried
        ? Option.none()
        : Option.flatMap(Option.fromNullable(tried.response.headers["retry-after"]), (value) =>
          parseRetryAfter(value, started))
      if (
        Option.exists(asked, (millis) =>
          millis > longest)
      ) return yield* settle
      if (budget !== undefined && !(yield* budget.spend)) return yield* settle
      // the response is not needed any more when the schedule says to go on, and only then
      const goesOn = yield* Effect.option(driver.next(tried))
      if (Option.isNone(goesOn)) return yield* settle
      if ("response" in tried) yield* leave(tried.response)
      const waited = (yield* Clock.currentTimeMillis) - started
      const rest = Option.getOrElse(asked, () => 0) - waited
      if (rest > 0) yield* Effect.sleep(rest)
    }
  })

const withKey = (
  request: HttpClientRequest.HttpClientRequest,
  name: string
): Effect.Effect<HttpClientRequest.HttpClientRequest> =>
  request.headers[name.toLowerCase()] !== undefined
    ? Effect.succeed(request)
    : Effect.map(
      Effect.replicateEffect(Random.nextIntBetween(0, 0x1_0000), 8),
      (parts) => HttpClientRequest.setHeader(request, name, parts.map((n) => n.toString(16).padStart(4, "0")).join(""))
    )

const isClientError = (u: unknown): u is HttpClientError =>
  Predicate.isTagged(u, "RequestError") || Predicate.isTagged(u, "ResponseError")

/**
 * Repeat what may be repeated: requests whose method is idempotent or that carry an idempotency key, with a body that can
 * be sent again, after a failure to connect, a lost connection, a timeout before the head, or a status of 408, 425, 429,
 * 500, 502, 503 or 504. A request that never left may be repeated whatever its method. When it may not be repeated, or
 * not any more, the last response or failure is the result. Each wait honours `Retry-After`.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { Retry } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const budget = yield* Retry.makeBudget()
 *   const client = (yield* HttpClient.HttpClient).pipe(Retry.withRetry({ budget, retryAfter: "10 seconds" }))
 *   return yield* client.get("https://example.com/")
 * })
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const withRetry: {
  (
    options?: RetryOptions
  ): <E, R>(
    self: HttpClient.HttpClient.With<E | HttpClientError, R>
  ) => HttpClient.HttpClient.With<E | HttpClientError, R>
  <E, R>(
    self: HttpClient.HttpClient.With<E | HttpClientError, R>,
    options?: RetryOptions
  ): HttpClient.HttpClient.With<E | HttpClientError, R>
} = dual(
  (args) => Predicate.hasProperty(args[0], HttpClient.TypeId),
  <E, R>(
    self: HttpClient.HttpClient.With<E | HttpClientError, R>,
    options: RetryOptions = {}
  ): HttpClient.HttpClient.With<E | HttpClientError, R> =>
    interceptSend(self, (send, request): Effect.Effect<HttpClientResponse, E | HttpClientError, R> => {
      if (!isReplayable(request.body)) return send(request)
      const { idempotencyKey } = options
      const safe = idempotent.has(request.method)
      if (safe || idempotencyKey === undefined) return retrying(send, request, options, safe, isClientError)
      return Effect.flatMap(
        withKey(request, idempotencyKey),
        (keyed) => retrying(send, keyed, options, true, isClientError)
      )
    })
)
