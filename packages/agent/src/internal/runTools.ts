import * as Cause from "effect/Cause"
import type { Clock } from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { ToolError } from "../AgentError.ts"
import type { AgentTool, CallContext } from "../AgentTool.ts"
import type { ToolCall } from "../Message.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Toolset } from "../Toolset.ts"
import { findClosest } from "./findClosest.ts"
import type { Alarm } from "./keepTime.ts"
import { limitTime } from "./keepTime.ts"
import { makePermits, type Permits } from "./makePermits.ts"

/** @internal */
export interface ToolOutcome {
  readonly content: string
  readonly error: ToolError | undefined
  readonly truncated: boolean
  readonly untrusted: boolean
  readonly durationMs: number
}

/** @internal A call whose tool exists and whose arguments are JSON, or why it is not run. */
type Prepared<R> =
  | { readonly refused: ToolOutcome; readonly tool?: undefined }
  | { readonly refused?: undefined; readonly tool: AgentTool<R>; readonly args: unknown }

/** @internal Runs the calls of one run: bounded, timed, and never failing. */
export interface ToolRuntime<R> {
  readonly prepare: (call: ToolCall) => Prepared<R>
  /** `before` runs when the call has its permits. */
  readonly run: (
    call: ToolCall,
    tool: AgentTool<R>,
    args: unknown,
    context: CallContext,
    before: Effect.Effect<void>
  ) => Effect.Effect<ToolOutcome, never, R>
  /** Counts a call towards those that are the same. */
  readonly count: (call: ToolCall) => number
}

const maxIdenticalCalls = 3

const noMore = () => 0

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

/** @internal A call that is refused without being run. */
export const refuse = (call: ToolCall, reason: ToolError["reason"], message: string, retryable = false): ToolOutcome =>
  outcome(failure(call, reason, retryable, message), 0)

const parse = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** @internal */
export const makeToolRuntime = <R>(options: {
  readonly toolset: Toolset<R>
  readonly parallelTools: number
  readonly clock: Clock
  readonly alarm: Alarm
}): ToolRuntime<R> => {
  const { alarm, clock, parallelTools, toolset } = options
  const permits = makePermits(parallelTools)
  let toolPermits: Map<string, Permits> | undefined
  const seen = new Map<string, number>()

  const ownPermits = ({ concurrency, name }: AgentTool<R>): Permits | undefined => {
    if (!Number.isFinite(concurrency)) return undefined
    toolPermits ??= new Map()
    const known = toolPermits.get(name)
    if (known !== undefined) return known
    const made = makePermits(concurrency)
    toolPermits.set(name, made)
    return made
  }

  const invoke = (
    tool: AgentTool<R>,
    call: ToolCall,
    args: unknown,
    context: CallContext
  ): Effect.Effect<string, ToolError, R> => {
    const tooLate = Effect.suspend(() =>
      Effect.fail(failure(call, "timeout", true, `No result within ${Duration.format(tool.timeout)}`))
    )
    const once = tool.invoke(args, context)
    return limitTime(tool.retry === undefined ? once : Effect.retry(once, tool.retry), {
      clock,
      alarm,
      millis: Duration.toMillis(tool.timeout),
      left: noMore,
      outcome: tooLate
    })
  }

  /** Permits of the tool and of its server come first, so that waiting for them holds no permit of the run. */
  const limited = <A, E>(tool: AgentTool<R>, effect: Effect.Effect<A, E, R>) => {
    const own = ownPermits(tool)
    let bounded = permits.withPermit(effect)
    if (tool.server !== undefined) bounded = tool.server.withPermits(1)(bounded)
    return own === undefined ? bounded : own.withPermit(bounded)
  }

  const count = (call: ToolCall): number => {
    const key = `${call.name}\n${call.arguments}`
    const times = (seen.get(key) ?? 0) + 1
    seen.set(key, times)
    return times
  }

  return {
    count,
    prepare: (call) => {
      const tool = toolset.tools.get(call.name)
      if (tool === undefined) {
        const names = Array.from(toolset.tools.keys())
        const closest = findClosest(call.name, names)
        const hint = closest === undefined ? `Tools: ${names.join(", ") || "none"}.` : `Did you mean "${closest}"?`
        return { refused: refuse(call, "unknown_tool", `No tool is named "${call.name}". ${hint}`, true) }
      }
      if (count(call) > maxIdenticalCalls) {
        const message = `This call was made ${maxIdenticalCalls} times with the same arguments. Do something else.`
        return { refused: refuse(call, "repeated", message) }
      }
      const parsed = parse(call.arguments.trim() === "" ? "{}" : call.arguments)
      if (parsed === undefined) {
        const message = `The arguments are not valid JSON: ${excerpt(call.arguments)}`
        return { refused: refuse(call, "invalid_arguments", message, true) }
      }
      return { tool, args: parsed.value }
    },
    run: (call, tool, args, context, before) =>
      limited(
        tool,
        Effect.suspend(() => {
          const startedAt = clock.unsafeCurrentTimeMillis()
          return Effect.map(Effect.exit(Effect.zipRight(before, invoke(tool, call, args, context))), (exit) => {
            const durationMs = clock.unsafeCurrentTimeMillis() - startedAt
            return Exit.isSuccess(exit)
              ? { ...truncate(exit.value, tool), error: undefined, untrusted: tool.annotations.openWorld, durationMs }
              : outcome(toToolError(exit.cause, call), durationMs)
          })
        })
      ).pipe(Telemetry.toolSpan(call))
  }
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
