import * as Cause from "effect/Cause"
import type { Clock } from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ToolError } from "../AgentError.ts"
import type { AgentTool, CallContext } from "../AgentTool.ts"
import type { ToolCall } from "../Message.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Toolset } from "../Toolset.ts"
import { findClosest } from "./findClosest.ts"
import { raceLimit } from "./raceLimit.ts"

/** @internal */
export interface ToolOutcome {
  readonly content: string
  readonly error: ToolError | undefined
  readonly truncated: boolean
  readonly untrusted: boolean
  readonly durationMs: number
}

/** @internal Runs the calls of one run: bounded, timed, and never failing. */
export interface ToolRuntime<R> {
  readonly run: (call: ToolCall) => Effect.Effect<ToolOutcome, never, R>
  /** A call that is refused without being run. */
  readonly refuse: (call: ToolCall, reason: ToolError["reason"], message: string) => ToolOutcome
}

const maxIdenticalCalls = 3

const parseArguments = Schema.decode(Schema.parseJson())

/** What the model reads instead of a result. */
const errorContent = ({ message, reason, retryable }: ToolError) =>
  JSON.stringify({ error: { reason, retryable, message } })

const outcome = (error: ToolError, durationMs: number): ToolOutcome => ({
  content: errorContent(error),
  error,
  truncated: false,
  untrusted: false,
  durationMs
})

const failure = (call: ToolCall, reason: ToolError["reason"], retryable: boolean, message: string) =>
  new ToolError({ callId: call.id, name: call.name, reason, retryable, message })

/** @internal */
export const makeToolRuntime = <R>(options: {
  readonly runId: string
  readonly toolset: Toolset<R>
  readonly parallelTools: number
  readonly clock: Clock
}): ToolRuntime<R> => {
  const { clock, runId, toolset } = options
  const permits = Effect.unsafeMakeSemaphore(options.parallelTools)
  const toolPermits = new Map<string, Effect.Semaphore>()
  for (const { concurrency, name } of toolset.tools.values()) {
    if (Number.isFinite(concurrency)) toolPermits.set(name, Effect.unsafeMakeSemaphore(concurrency))
  }
  const seen = new Map<string, number>()

  const invoke = (tool: AgentTool<R>, call: ToolCall): Effect.Effect<string, ToolError, R> => {
    const context: CallContext = { runId, callId: call.id }
    const args = parseArguments(call.arguments.trim() === "" ? "{}" : call.arguments).pipe(
      Effect.mapError(() =>
        failure(call, "invalid_arguments", true, `The arguments are not valid JSON: ${excerpt(call.arguments)}`)
      )
    )
    const tooLate = Effect.suspend(() =>
      Effect.fail(failure(call, "timeout", true, `No result within ${Duration.format(tool.timeout)}`))
    )
    return raceLimit(
      Effect.flatMap(args, (value) => tool.invoke(value, context)),
      Effect.zipRight(clock.sleep(tool.timeout), tooLate)
    )
  }

  /** Permits of the tool come first, so that waiting for them holds no permit of the run. */
  const limited = <A, E>(name: string, effect: Effect.Effect<A, E, R>) => {
    const bounded = permits.withPermits(1)(effect)
    const own = toolPermits.get(name)
    return own === undefined ? bounded : own.withPermits(1)(bounded)
  }

  const run = (call: ToolCall): Effect.Effect<ToolOutcome, never, R> => {
    const tool = toolset.tools.get(call.name)
    if (tool === undefined) {
      const names = Array.from(toolset.tools.keys())
      const closest = findClosest(call.name, names)
      const hint = closest === undefined ? `Tools: ${names.join(", ") || "none"}.` : `Did you mean "${closest}"?`
      return Effect.succeed(outcome(failure(call, "unknown_tool", true, `No tool is named "${call.name}". ${hint}`), 0))
    }
    const key = `${call.name}\n${call.arguments}`
    const times = (seen.get(key) ?? 0) + 1
    seen.set(key, times)
    if (times > maxIdenticalCalls) {
      const message = `This call was made ${maxIdenticalCalls} times with the same arguments. Do something else.`
      return Effect.succeed(outcome(failure(call, "repeated", false, message), 0))
    }
    return limited(
      call.name,
      Effect.suspend(() => {
        const startedAt = clock.unsafeCurrentTimeMillis()
        return Effect.map(Effect.exit(invoke(tool, call)), (exit) => {
          const durationMs = clock.unsafeCurrentTimeMillis() - startedAt
          return Exit.isSuccess(exit)
            ? { ...truncate(exit.value, tool), error: undefined, untrusted: tool.annotations.openWorld, durationMs }
            : outcome(toToolError(exit.cause, call), durationMs)
        })
      })
    ).pipe(
      Effect.withSpan(Telemetry.spanTool, { captureStackTrace: false, attributes: { [Telemetry.toolName]: call.name } })
    )
  }

  return { run, refuse: (call, reason, message) => outcome(failure(call, reason, false, message), 0) }
}

const toToolError = (cause: Cause.Cause<ToolError>, call: ToolCall): ToolError =>
  Option.getOrElse(Cause.failureOption(cause), () =>
    Cause.isInterruptedOnly(cause)
      ? failure(call, "interrupted", true, "The tool was interrupted before it had a result")
      : failure(call, "defect", false, `The tool is broken: ${describeDefect(cause)}`))

const truncate = (content: string, tool: AgentTool<unknown>) => {
  if (content.length <= tool.maxResultChars) return { content, truncated: false }
  const notice = `\n[Cut: the result has ${content.length} characters, of which the first ${tool.maxResultChars} ` +
    "are shown. Ask for less or for the next page.]"
  return { content: content.slice(0, tool.maxResultChars) + notice, truncated: true }
}

const excerpt = (text: string) => text.length <= 200 ? text : `${text.slice(0, 200)}...`

const describeDefect = (cause: Cause.Cause<unknown>): string => {
  const defect = Cause.squash(cause)
  return excerpt(defect instanceof Error ? defect.message : String(defect))
}
