/**
 * Runs code in a sandbox, over attached files, and keeps the files that it writes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AgentTool, CallContext } from "../AgentTool.ts"
import { make } from "../AgentTool.ts"
import { CodeSandbox } from "../CodeSandbox.ts"
import { createNew, Files } from "../Files.ts"
import { readText } from "../internal/readText.ts"

/**
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  language: Schema.Literal("python", "javascript"),
  code: Schema.NonEmptyString.annotations({
    description: "Variables stay for later calls. The value of the last expression is the result; print works too"
  }),
  files: Schema.optional(Schema.Array(Schema.String).pipe(Schema.maxItems(20))).annotations({
    description: "Names of attached text files that the code reads"
  })
})

/**
 * What the code printed, the value of its last expression as JSON, what it threw,
 * and the files that it wrote, under the names that they have now.
 *
 * @since 0.1.0
 * @category models
 */
export const Result = Schema.Struct({
  output: Schema.String,
  result: Schema.optional(Schema.String),
  error: Schema.optional(Schema.String),
  files: Schema.Array(Schema.Struct({ name: Schema.String, size: Schema.Number, type: Schema.String }))
})

const encoder = new TextEncoder()

/** Variables live as long as a conversation; a run without one is a conversation of its own. */
const sessionOf = ({ conversation, runId, user }: CallContext): string =>
  JSON.stringify(conversation === "" ? [runId] : [user, conversation])

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool<CodeSandbox | Files> = make("run_code", {
  description:
    "Runs Python or JavaScript in a sandbox without network or disk. Python is a subset: functions, json, re, math and " +
    "datetime, but no classes, no other imports, no numpy or pandas. Python has read_file(name), read_csv(name), which " +
    "gives a list of dicts with numbers as numbers, and write_file(name, text); JavaScript has readFile, readCsv and " +
    "writeFile. Name the files to read in files.",
  parameters: Parameters,
  success: Result,
  annotations: { sideEffect: "once", openWorld: true },
  timeout: "30 seconds",
  maxResultChars: 20_000,
  handler: Effect.fn("RunCode.run")(function*({ code, files: names = [], language }, context) {
    const sandbox = yield* CodeSandbox
    const files = yield* Files
    const given = yield* Effect.forEach(names, (name) => Effect.map(readText(name), ({ text }) => ({ name, text })))
    const { created, error, output, result } = yield* sandbox.run(sessionOf(context), { language, code, files: given })
    const kept = yield* Effect.forEach(
      created,
      ({ name, text }) => Effect.tap(createNew(files, name, encoder.encode(text)), (file) => context.stage.attach(file))
    )
    return { output, result, error, files: kept }
  })
})
