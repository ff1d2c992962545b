/**
 * Every error of the package.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const ModelErrorReason = Schema.Literal(
  "Unavailable",
  "Unauthorized",
  "RateLimited",
  "Rejected",
  "ServerError",
  "Malformed",
  "Truncated",
  "Timeout",
  "TooLarge",
  "Empty",
  "Defect"
)

const modelAdvice: Record<typeof ModelErrorReason.Type, string> = {
  Unavailable: "Check that the model server is running and that its address is right.",
  Unauthorized: "Check the API key.",
  RateLimited: "Wait and ask again, or raise the quota of the key.",
  Rejected: "The request was refused; change the request or the name of the model.",
  ServerError: "The model server failed; ask again later.",
  Malformed: "The server does not speak chat completions as documented; nothing of this answer was used.",
  Truncated: "The connection ended before the answer was complete; ask again.",
  Timeout: "The model was silent for too long; ask again or raise the idle timeout.",
  TooLarge: "The answer exceeded the size limit; raise it or ask for less.",
  Empty: "The model answered nothing; ask again in other words.",
  Defect: "The model implementation threw; this is a bug in it."
}

/**
 * A model did not answer. `retryable` says whether asking again can help;
 * `retryAfterMillis` is what the server asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class ModelError extends Schema.TaggedError<ModelError>()("ModelError", {
  reason: ModelErrorReason,
  model: Schema.String,
  detail: Schema.String,
  url: Schema.optional(Schema.String),
  status: Schema.optional(Schema.Number),
  retryAfterMillis: Schema.optional(Schema.Number),
  cause: Schema.optional(Schema.Defect)
}) {
  /**
   * Whether the same request may succeed later.
   *
   * @since 0.1.0
   */
  get retryable(): boolean {
    switch (this.reason) {
      case "Unavailable":
      case "RateLimited":
      case "ServerError":
      case "Truncated":
      case "Timeout":
        return true
      default:
        return false
    }
  }
  override get message(): string {
    const where = this.url === undefined ? "" : ` at ${this.url}`
    const status = this.status === undefined ? "" : ` (HTTP ${this.status})`
    return `The model ${this.model}${where} did not answer${status}: ${this.detail} ${modelAdvice[this.reason]}`
  }
}

/**
 * What went wrong with one tool call. It never ends a run: the model reads it
 * as the result of the call and may try something else.
 *
 * - `unknown_tool`, `invalid_arguments`: the call was never run
 * - `timeout`, `failed`, `defect`, `interrupted`: it was run and did not succeed
 * - `repeated`: the same call was made too often in this run
 * - `limit`: the run has used up its tool calls
 * - `denied`: somebody decided that it must not be run
 * - `rate_limited`: what the tool asks wants to be asked less
 * - `outcome_unknown`: the process ended while it ran; it may have taken effect
 *
 * @since 0.1.0
 * @category errors
 */
export class ToolError extends Schema.TaggedError<ToolError>()("ToolError", {
  callId: Schema.String,
  name: Schema.String,
  reason: Schema.Literal(
    "unknown_tool",
    "invalid_arguments",
    "timeout",
    "failed",
    "defect",
    "interrupted",
    "repeated",
    "limit",
    "denied",
    "rate_limited",
    "outcome_unknown"
  ),
  retryable: Schema.Boolean,
  message: Schema.String
}) {}

/**
 * A file could not be used. `name` is the file's name, `detail` says what is
 * wrong with it and what to do.
 *
 * - `Damaged`, `Locked`: it is broken, or asks for a password
 * - `TooSlow`, `TooLarge`: reading it would take more time or memory than allowed
 * - `NoReader`: a package that reads such files is not installed
 *
 * @since 0.1.0
 * @category errors
 */
export class FilesError extends Schema.TaggedError<FilesError>()("FilesError", {
  reason: Schema.Literal(
    "NotFound",
    "AlreadyExists",
    "Unavailable",
    "TooLarge",
    "TooSlow",
    "Binary",
    "NotText",
    "Damaged",
    "Locked",
    "NoReader",
    "OutOfRange"
  ),
  name: Schema.String,
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  /**
   * Whether the same request may succeed later.
   *
   * @since 0.1.0
   */
  get retryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return `File "${this.name}": ${this.detail}`
  }
}

/**
 * A file is no usable table, or a question about it cannot be answered.
 *
 * @since 0.1.0
 * @category errors
 */
export class TableError extends Schema.TaggedError<TableError>()("TableError", {
  reason: Schema.Literal("NotATable", "RaggedRows", "UnknownColumn", "NotNumeric", "NotADate", "InvalidQuery"),
  name: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `Table "${this.name}": ${this.detail}`
  }
}

/**
 * An arithmetic expression could not be worked out. `position` counts
 * characters from 0.
 *
 * @since 0.1.0
 * @category errors
 */
export class CalculationError extends Schema.TaggedError<CalculationError>()("CalculationError", {
  reason: Schema.Literal("Syntax", "TooLong", "DivisionByZero", "Domain", "TooLarge"),
  position: Schema.Number,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.detail} (at character ${this.position + 1})`
  }
}

/**
 * The memory port failed. Nothing was stored unless the provider says so.
 *
 * @since 0.1.0
 * @category errors
 */
export class MemoryError extends Schema.TaggedError<MemoryError>()("MemoryError", {
  reason: Schema.Literal("Unavailable", "TooLarge", "Rejected"),
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  /**
   * Whether the same request may succeed later.
   *
   * @since 0.1.0
   */
  get retryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return `Memory: ${this.detail}`
  }
}

/**
 * One address could not be fetched.
 *
 * @since 0.1.0
 * @category errors
 */
export class FetchError extends Schema.TaggedError<FetchError>()("FetchError", {
  reason: Schema.Literal("InvalidUrl", "Unreachable", "Status", "TooLarge", "ContentType", "Timeout", "OutOfRange"),
  url: Schema.String,
  detail: Schema.String,
  status: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    return `${this.url}: ${this.detail}`
  }
}

/**
 * Code was not run to its end.
 *
 * - `Timeout`, `Memory`, `Output`: it was stopped at a limit; its session begins anew
 * - `Crashed`: it broke its interpreter; its session begins anew
 * - `TooLarge`, `Busy`, `NotInstalled`: `detail` says what to change
 *
 * @since 0.1.0
 * @category errors
 */
export class SandboxError extends Schema.TaggedError<SandboxError>()("SandboxError", {
  reason: Schema.Literal("Timeout", "Memory", "Output", "Crashed", "TooLarge", "Busy", "NotInstalled"),
  detail: Schema.String
}) {
  /**
   * Whether the same request may succeed later.
   *
   * @since 0.1.0
   */
  get retryable(): boolean {
    return this.reason === "Busy"
  }
  override get message(): string {
    return `Sandbox: ${this.detail}`
  }
}

/**
 * A chart was not drawn.
 *
 * @since 0.1.0
 * @category errors
 */
export class ChartError extends Schema.TaggedError<ChartError>()("ChartError", {
  reason: Schema.Literal("Invalid", "TooLarge", "Failed", "NotInstalled"),
  detail: Schema.String
}) {
  override get message(): string {
    return `Chart: ${this.detail}`
  }
}

/**
 * An image was not made. `status` is that of the server's answer.
 *
 * @since 0.1.0
 * @category errors
 */
export class ImageError extends Schema.TaggedError<ImageError>()("ImageError", {
  reason: Schema.Literal("Unavailable", "Rejected", "Malformed"),
  detail: Schema.String,
  status: Schema.optional(Schema.Number)
}) {
  /**
   * Whether the same request may succeed later.
   *
   * @since 0.1.0
   */
  get retryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return `Image: ${this.detail}`
  }
}

/**
 * Another agent was asked and did not answer.
 *
 * @since 0.1.0
 * @category errors
 */
export class AskError extends Schema.TaggedError<AskError>()("AskError", {
  reason: Schema.Literal("Failed", "Suspended"),
  agent: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The agent "${this.agent}" did not answer: ${this.detail}`
  }
}

/**
 * An MCP server did not do what was asked.
 *
 * - `Unavailable`: there is no connection now; a new one is being made
 * - `Failed`: the server refused the call, or its tool failed
 * - `Timeout`: no answer came in time; the server was told that nobody waits
 * - `Changed`: the tool is no longer what was approved, see `McpClient.approve`
 * - `NotFound`: there is no such server or tool
 *
 * @since 0.1.0
 * @category errors
 */
export class McpError extends Schema.TaggedError<McpError>()("McpError", {
  reason: Schema.Literal("Unavailable", "Failed", "Timeout", "Changed", "NotFound"),
  server: Schema.String,
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  /**
   * Whether the same request may succeed later.
   *
   * @since 0.1.0
   */
  get retryable(): boolean {
    return this.reason === "Unavailable" || this.reason === "Timeout"
  }
  override get message(): string {
    return `MCP server "${this.server}": ${this.detail}`
  }
}

/**
 * As many runs as allowed are running. Nothing was started; try again when one
 * has finished.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyRuns extends Schema.TaggedError<TooManyRuns>()("TooManyRuns", {
  limit: Schema.Number
}) {
  override get message(): string {
    return `${this.limit} runs are running, which is the limit. Nothing was started; try again when one has finished.`
  }
}

/**
 * A run with this id is running or still kept. Nothing was started.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunAlreadyExists extends Schema.TaggedError<RunAlreadyExists>()("RunAlreadyExists", {
  runId: Schema.String
}) {
  override get message(): string {
    return `A run "${this.runId}" exists. Nothing was started; attach to it or use another id.`
  }
}

/**
 * No run has this id: it never existed, or it finished long ago and is no
 * longer kept.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunNotFound extends Schema.TaggedError<RunNotFound>()("RunNotFound", {
  runId: Schema.String
}) {
  override get message(): string {
    return `There is no run "${this.runId}": it never existed, or it finished and is no longer kept.`
  }
}

/**
 * The journal of runs could not be used. With reason `Conflict` another process
 * has continued the run: this one must stop. With `Malformed` the journal holds
 * what this version cannot read.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunStoreError extends Schema.TaggedError<RunStoreError>()("RunStoreError", {
  reason: Schema.Literal("Unavailable", "Conflict", "Malformed"),
  runId: Schema.String,
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  /**
   * Whether the same request may succeed later.
   *
   * @since 0.1.0
   */
  get retryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return `The journal of run "${this.runId}": ${this.detail}`
  }
}

/**
 * The run cannot be resumed or decided about as it is now.
 *
 * - `Running`: it goes on in this process
 * - `Finished`: it has ended
 * - `NothingToDecide`: no such call waits for a decision
 * - `OtherAgent`: it was started by an agent of another name
 *
 * @since 0.1.0
 * @category errors
 */
export class RunStateError extends Schema.TaggedError<RunStateError>()("RunStateError", {
  reason: Schema.Literal("Running", "Finished", "NothingToDecide", "OtherAgent"),
  runId: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `Run "${this.runId}": ${this.detail}`
  }
}

/**
 * A sealed state cannot be used. Nothing of it was decoded.
 *
 * @since 0.1.0
 * @category errors
 */
export class StateError extends Schema.TaggedError<StateError>()("StateError", {
  reason: Schema.Literal("Malformed", "NotAuthentic", "TooLarge", "Unavailable"),
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  /**
   * Whether the same request may succeed later.
   *
   * @since 0.1.0
   */
  get retryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return `The state of the conversation was refused: ${this.detail}`
  }
}

/**
 * An endpoint refuses a request. `status` is that of HTTP; `type` and `code`
 * are those of the OpenAI protocol.
 *
 * @since 0.1.0
 * @category errors
 */
export class EndpointError extends Schema.TaggedError<EndpointError>()("EndpointError", {
  status: Schema.Number,
  type: Schema.String,
  detail: Schema.String,
  code: Schema.optional(Schema.String),
  param: Schema.optional(Schema.String),
  retryAfterMillis: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    return this.detail
  }
}
