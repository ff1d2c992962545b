/**
 * A tool: a described, typed function that a model may call.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { ToolError } from "./AgentError.ts"
import type { Attachment } from "./Message.ts"

/**
 * What a tool may do. `sideEffect` says whether a call changes something, and
 * whether doing it twice is the same as once: after a crash a call that had
 * begun is run again, unless it is `once`; `openWorld` that its results may contain text written by somebody else (a
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
 * A part of the work that people can watch. A stage that is opened inside
 * another is closed with the work in it: as failed when that fails or is
 * interrupted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stage {
  /** Shows more text. */
  readonly append: (text: string) => Effect.Effect<void>
  /** Gives a file to the answer. */
  readonly attach: (attachment: Attachment) => Effect.Effect<void>
  /** Does some work in a stage of its own. */
  readonly within: <A, E, R>(
    name: string,
    work: (stage: Stage) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R>
}

/**
 * What a handler knows about its call. `callId` is unique within a run, so
 * `runId` and `callId` together make an idempotency key. `user` and
 * `conversation` are those of the input, empty when it has none; `stage` is that
 * of the call.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallContext {
  readonly runId: string
  readonly callId: string
  readonly user: string
  readonly conversation: string
  readonly stage: Stage
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
  readonly server: Effect.Semaphore | undefined
  readonly retry: Schedule.Schedule<unknown, ToolError> | undefined
  /** Whether a call with these parsed JSON arguments waits for a decision. */
  readonly needsApproval: (args: unknown) => boolean
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
  /** Permits that all tools of one server share, across runs. Default: none. */
  readonly server?: Effect.Semaphore
  /** When a failed call is repeated, within its timeout. Not for tools with side effects that are `once`. Default: never. */
  readonly retry?: Schedule.Schedule<unknown, ToolError>
  /** Whether a call waits until somebody approves it. Default: no. */
  readonly needsApproval?: boolean | ((args: A) => boolean)
  /** Does the work. A failure becomes a typed result for the model, with the error's message; a `ToolError` stays as it is. */
  readonly handler: (args: A, context: CallContext) => Effect.Effect<Success, E, R>
}

const validName = /^[A-Za-z0-9_-]{1,64}$/

const isToolError = Schema.is(ToolError)

const checkName = (name: string): void => {
  if (!validName.test(name)) {
    throw new TypeError(`A tool's name is 1 to 64 of A-Z a-z 0-9 _ - and "${name}" is not`)
  }
}

/**
 * Repeats a call whose failure says that it is retryable, after 0.2, 0.4, 0.8
 * ... seconds.
 *
 * @since 0.1.0
 * @category retrying
 */
export const retryTransient = (times: number): Schedule.Schedule<unknown, ToolError> =>
  Schedule.exponential("200 millis").pipe(
    Schedule.intersect(Schedule.recurs(times)),
    Schedule.whileInput((error: ToolError) => error.reason === "failed" && error.retryable)
  )

/**
 * The same tool, whose calls all wait until somebody approves them.
 *
 * @since 0.1.0
 * @category combinators
 */
export const approved = <R>(self: AgentTool<R>): AgentTool<R> => ({ ...self, needsApproval: () => true })

/** @internal */
export const renamed = <R>(self: AgentTool<R>, name: string): AgentTool<R> => {
  checkName(name)
  return {
    ...self,
    name,
    invoke: (args, context) =>
      Effect.mapError(
        self.invoke(args, context),
        ({ callId, message, reason, retryable }) => new ToolError({ callId, name, reason, retryable, message })
      )
  }
}

/**
 * Makes a tool. Throws when the name is not 1 to 64 of `A-Z a-z 0-9 _ -`,
 * which is what models accept, or when a tool whose side effects are `once` is
 * to be retried.
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
  checkName(name)
  const annotations: Annotations = { sideEffect: "none", openWorld: false, ...options.annotations }
  if (annotations.sideEffect === "once" && options.retry !== undefined) {
    throw new TypeError(`The tool "${name}" must not be retried: its side effects are "once"`)
  }
  const { needsApproval = false } = options
  const decode = Schema.decodeUnknown(options.parameters, { errors: "all" })
  const decodeOption = Schema.decodeUnknownOption(options.parameters)
  const encode = Schema.encode(options.success)
  const stringify = Schema.encode(Schema.parseJson())
  return {
    name,
    description: options.description,
    parameters: JSONSchema.make(options.parameters),
    annotations,
    timeout: Duration.decode(options.timeout ?? "30 seconds"),
    maxResultChars: options.maxResultChars ?? 10_000,
    concurrency: options.concurrency ?? Number.POSITIVE_INFINITY,
    server: options.server,
    retry: options.retry,
    needsApproval: typeof needsApproval === "boolean"
      ? () => needsApproval
      // What cannot be decoded is not run, so nobody has to approve it.
      : (args) => Option.exists(decodeOption(args), needsApproval),
    invoke: (args, context) => {
      const error = (reason: "invalid_arguments" | "failed", retryable: boolean, message: string) =>
        new ToolError({ callId: context.callId, name, reason, retryable, message })
      return Effect.flatMap(
        Effect.mapError(decode(args), (problem) => error("invalid_arguments", true, describeProblem(problem))),
        (decoded) =>
          options.handler(decoded, context).pipe(
            Effect.mapError((failure) =>
              isToolError(failure) ? failure : error("failed", isRetryable(failure), describeFailure(failure))
            ),
            Effect.flatMap((success) => Effect.orDie(encode(success))),
            Effect.flatMap((value) =>
              typeof value === "string" ? Effect.succeed(value) : Effect.orDie(stringify(value))
            )
          )
      )
    }
  }
}

/**
 * Makes a tool whose parameters are a raw JSON Schema (draft 2020-12), such as
 * other programs publish. Arguments are checked before the handler sees them;
 * that needs the package `@cfworker/json-schema`, which makes no code from schemas.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromJsonSchema = <Success, SuccessEncoded, E, R = never>(
  name: string,
  options:
    & Omit<Options<Arguments, unknown, Success, SuccessEncoded, E, R>, "parameters">
    & { readonly parameters: object }
): AgentTool<R> => ({
  ...make(name, { ...options, parameters: checkedBy(options.parameters) }),
  parameters: toRoot(options.parameters)
})

/**
 * Arguments by name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arguments {
  readonly [name: string]: unknown
}

const toRoot = (schema: object): JSONSchema.JsonSchema7Root => ({
  type: "object",
  properties: {},
  required: [],
  ...schema
})

/** How many problems of one call are told. */
const maxProblems = 5

const checkedBy = (schema: object): Schema.Schema<Arguments, unknown> => {
  const validator = Effect.map(
    Effect.promise(() => import("@cfworker/json-schema")),
    ({ Validator }) => new Validator(schema, "2020-12", false)
  )
  return Schema.Unknown.annotations({ jsonSchema: {} }).pipe(
    Schema.compose(Schema.Record({ key: Schema.String, value: Schema.Unknown }), { strict: false }),
    Schema.filterEffect((args) =>
      Effect.map(validator, (ready) => {
        const { errors, valid } = ready.validate(args)
        return valid || errors.slice(-maxProblems).map(({ error, instanceLocation }) => ({
          path: instanceLocation.split("/").slice(1),
          message: error
        }))
      })
    )
  )
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
