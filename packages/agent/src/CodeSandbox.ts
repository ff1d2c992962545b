/**
 * Runs code that a model wrote: a subset of Python (Monty) or JavaScript
 * (QuickJS), interpreted in a process of its own that has no files, no network and
 * no environment.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import type { SandboxError } from "./AgentError.ts"
import { makeSessions } from "./internal/makeSessions.ts"

/**
 * Code to run, and the files that it may read. Python has `read_file(name)`,
 * `read_csv(name)` and `write_file(name, text)`; JavaScript `readFile`, `readCsv`
 * and `writeFile`. `read_csv` gives one record for each row, with numbers as
 * numbers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly language: "python" | "javascript"
  readonly code: string
  readonly files?: ReadonlyArray<{ readonly name: string; readonly text: string }>
}

/**
 * What came of it. `output` is what the code printed, `result` the value of its
 * last expression as JSON, `error` what it threw, and `created` the files that it
 * wrote, also when it threw.
 *
 * @since 0.1.0
 * @category models
 */
export interface Execution {
  readonly output: string
  readonly result: string | undefined
  readonly error: string | undefined
  readonly created: ReadonlyArray<{ readonly name: string; readonly text: string }>
}

/**
 * Runs of the same session, in the same language, see each other's variables; one
 * runs at a time. Code that reaches a limit fails with `SandboxError`, and the
 * session begins anew; so does an interrupted one.
 *
 * @since 0.1.0
 * @category services
 */
export class CodeSandbox extends Context.Tag("@sennit/agent/CodeSandbox")<CodeSandbox, {
  readonly run: (session: string, request: Request) => Effect.Effect<Execution, SandboxError>
}>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long one run may take, without the start of its process. Default: 10 seconds. */
  readonly timeout?: Duration.DurationInput
  /** The memory of the interpreted program. Default: 64 MB. */
  readonly memoryBytes?: number
  /** How many characters a run may print. Default: 100,000. */
  readonly maxOutput?: number
  /** How many characters the code and its files may have, and those that it writes. Default: 5,000,000. */
  readonly maxFileChars?: number
  /** How many sessions are kept; the one that was not used for longest makes room. Default: 8. */
  readonly maxSessions?: number
  /** After this long without a run a session ends. Default: 30 minutes. */
  readonly idle?: Duration.DurationInput
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<typeof CodeSandbox.Service, never, Scope> =>
  makeSessions({
    timeout: "10 seconds",
    memoryBytes: 64 * 1024 * 1024,
    maxOutput: 100_000,
    maxFileChars: 5_000_000,
    maxSessions: 8,
    idle: "30 minutes",
    module: import.meta.url.replace(/CodeSandbox(?=\.[jt]s$)/, "internal/sandboxWorker"),
    ...options
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<CodeSandbox> => Layer.scoped(CodeSandbox, make(options))
