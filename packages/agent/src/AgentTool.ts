/**
 * A tool: a described, typed function that a model may call.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { ToolError } from "./AgentError.ts"

/**
 * What a tool may do. `sideEffect` says whether a call changes something;
 * `openWorld` that its results may contain text written by somebody else (a
 * file, a page, a note), which is then labelled untrusted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Annotations {
  readonly sideEffect: "none" | "idempotent" | "once"
  readonly openWorld: boolean
}

/**
 * What a handler knows about its call. `callId` is unique within a run, so
 * `runId` and `callId` together make an idempotency key.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallContext {
  readonly runId: string
  readonly callId: string
}

/**
 * A tool whose handler needs `R`. `invoke` takes the parsed JSON arguments and
 * gives the text that the model reads.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentTool<out R = never> {
  readonly name: string
  readonly description: string
  readonly parameters: JSONSchema.JsonSchema7Root
  readonly annotations: Annotations
  readonly timeout: Duration.Duration
  readonly maxResultChars: number
  readonly concurrency: number
  readonly invoke: (args: unknown, context: CallContext) => Effect.Effect<string, ToolError, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<A, I, Success, SuccessEncoded, E, R> {
  readonly description: string
  /** What the model must pass; its JSON Schema is what the model sees. */
  readonly parameters: Schema.Schema<A, I>
  /** Encodes what the handler gives; a string is passed on as it is, anything else as JSON. */
  readonly success: Schema.Schema<Success, SuccessEncoded>
  /** Default: no side effect, closed world. */
  readonly annotations?: Partial<Annotations>
  /** How long one call may take. Default: 30 seconds. */
  readonly timeout?: Duration.DurationInput
  /** Longer results are cut, with a notice. Default: 10,000. */
  readonly maxResultChars?: number
  /** How many calls of this tool may run at the same time in one run. Default: as many as the run allows. */
  readonly concurrency?: number
  /** Does the work. A failure becomes a typed result for the model, with the error's message. */
  readonly handler: (args: A, context: CallContext) => Effect.Effect<Success, E, R>
}

const validName = /^[A-Za-z0-9_-]{1,64}$/

/**
 * Makes a tool. Throws when the name is not 1 to 64 of `A-Z a-z 0-9 _ -`,
 * which is what models accept.
 *
 * @example
 * ```ts
 * import { AgentTool } from "@sennit/agent"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const dice = AgentTool.make("sum_dice", {
 *   description: "Adds up the eyes of some dice",
 *   parameters: Schema.Struct({ eyes: Schema.Array(Schema.Int) }),
 *   success: Schema.Number,
 *   handler: ({ eyes }) => Effect.succeed(eyes.reduce((sum, n) => sum + n, 0))
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A, I, Success, SuccessEncoded, E, R = never>(
  name: string,
  options: Options<A, I, Success, SuccessEncoded, E, R>
): AgentTool<R> => {
  if (!validName.test(name)) {
    throw new TypeError(`A tool's name is 1 to 64 of A-Z a-z 0-9 _ - and "${name}" is not`)
  }
  const decode = Schema.decodeUnknown(options.parameters, { errors: "all" })
  const encode = Schema.encode(options.success)
  const stringify = Schema.encode(Schema.parseJson())
  return {
    name,
    description: options.description,
    parameters: JSONSchema.make(options.parameters),
    annotations: { sideEffect: "none", openWorld: false, ...options.annotations },
    timeout: Duration.decode(options.timeout ?? "30 seconds"),
    maxResultChars: options.maxResultChars ?? 10_000,
    concurrency: options.concurrency ?? Number.POSITIVE_INFINITY,
    invoke: (args, context) => {
      const error = (reason: "invalid_arguments" | "failed", retryable: boolean, message: string) =>
        new ToolError({ callId: context.callId, name, reason, retryable, message })
      return Effect.flatMap(
        Effect.mapError(decode(args), (problem) => error("invalid_arguments", true, describeProblem(problem))),
        (decoded) =>
          options.handler(decoded, context).pipe(
            Effect.mapError((failure) => error("failed", isRetryable(failure), describeFailure(failure))),
            Effect.flatMap((success) => Effect.orDie(encode(success))),
            Effect.flatMap((value) =>
              typeof value === "string" ? Effect.succeed(value) : Effect.orDie(stringify(value))
            )
          )
      )
    }
  }
}

const describeProblem = (problem: ParseResult.ParseError): string =>
  ParseResult.ArrayFormatter.formatErrorSync(problem)
    .map(({ message, path }) => path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`)
    .join("; ")

const isRetryable = (failure: unknown): boolean =>
  Predicate.hasProperty(failure, "retryable") && failure.retryable === true

const describeFailure = (failure: unknown): string => {
  if (typeof failure === "string") return failure
  if (Predicate.hasProperty(failure, "message") && typeof failure.message === "string" && failure.message !== "") {
    return failure.message
  }
  return Predicate.hasProperty(failure, "_tag") ? `The tool failed with ${String(failure._tag)}` : "The tool failed"
}
