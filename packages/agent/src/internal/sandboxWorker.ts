// @effect-diagnostics asyncFunction:off -- runs in a process of its own, without Effect, so that it starts quickly
// @effect-diagnostics nodeBuiltinImport:off -- what the code prints goes to the pipe that the parent reads
import type { MontyRepl } from "@pydantic/monty"
import { writeSync } from "node:fs"
import type { QuickJSContext, QuickJSRuntime } from "quickjs-emscripten"
import type { Run } from "./startThread.ts"

/** @internal `marker` is written behind what the code prints, so that the parent knows where it ends. */
export interface SandboxJob {
  readonly language: "python" | "javascript"
  readonly code: string
  readonly files: ReadonlyArray<{ readonly name: string; readonly text: string }>
  readonly memoryBytes: number
  readonly marker: string
}

/** @internal `result` is JSON; `error` what the code threw, as its language shows it. */
export interface SandboxAnswer {
  readonly result: string | undefined
  readonly error: string | undefined
  readonly created: ReadonlyArray<{ readonly name: string; readonly text: string }>
}

interface Interpreter {
  /** Gives the value of the last expression, or throws what the code threw. */
  readonly evaluate: (code: string) => unknown
  readonly describe: (error: unknown) => string
  readonly give: (name: string, text: string) => void
  readonly take: () => ReadonlyArray<readonly [name: string, text: unknown]>
  readonly flush: () => void
}

let interpreter: Interpreter | undefined

/** @internal The parent starts one process for each session and language. */
export const run: Run<SandboxJob, SandboxAnswer> = async ({ code, files, language, marker, memoryBytes }) => {
  interpreter ??= language === "python" ? await startPython(memoryBytes) : await startJavaScript(memoryBytes)
  for (const { name, text } of files) interpreter.give(name, text)
  let result: string | undefined
  let error: string | undefined
  try {
    result = toJson(interpreter.evaluate(code))
  } catch (thrown) {
    error = interpreter.describe(thrown)
  }
  const created = interpreter.take().map(([name, text]) => ({ name, text: String(text) }))
  interpreter.flush()
  writeSync(1, marker)
  return { result, error, created }
}

const pythonPrelude = `
import json
__files = {}
__tables = {}
__created = {}
def read_file(name):
    if name not in __files:
        raise FileNotFoundError(name + ' was not given to this code; the files are: ' + ', '.join(list(__files)))
    return __files[name]
def read_csv(name):
    read_file(name)
    return [dict(row) for row in __tables[name]]
def write_file(name, text):
    __created[name] = text
`

const startPython = async (memoryBytes: number): Promise<Interpreter> => {
  const { MontyRepl } = await import("@pydantic/monty")
  const readRows = await makeRowReader()
  const repl: MontyRepl = new MontyRepl({ scriptName: "code.py", limits: { maxMemory: memoryBytes } })
  repl.feed(pythonPrelude)
  return {
    evaluate: (code) => repl.feed(code),
    describe: (error) => {
      if (!(error instanceof Error)) return String(error)
      return "display" in error && typeof error.display === "function"
        ? String(error.display("traceback"))
        : error.message
    },
    // A JSON string is a Python string too.
    give: (name, text) => {
      const key = JSON.stringify(name)
      repl.feed(`__files[${key}] = ${JSON.stringify(text)}`)
      repl.feed(`__tables[${key}] = json.loads(${JSON.stringify(JSON.stringify(readRows(name, text)))})`)
    },
    take: () => {
      const created: unknown = repl.feed("__created")
      const entries = created instanceof Map ? Array.from(created, ([name, text]) => [String(name), text] as const) : []
      repl.feed("__created.clear()")
      return entries
    },
    // A line that has not ended is still held by the interpreter.
    flush: () => repl.feed("print()")
  }
}

const javaScriptPrelude = `
globalThis.__files = {}
globalThis.__tables = {}
globalThis.__created = {}
globalThis.readFile = (name) => {
  if (!Object.hasOwn(__files, name)) {
    throw new Error(name + " was not given to this code; the files are: " + Object.keys(__files).join(", "))
  }
  return __files[name]
}
globalThis.readCsv = (name) => { readFile(name); return JSON.parse(__tables[name]) }
globalThis.writeFile = (name, text) => { __created[name] = String(text) }
{
  const show = (value) => typeof value === "string" ? value : value instanceof Error ? String(value) :
    typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)
  const print = (...values) => __print(values.map(show).join(" ") + "\\n")
  globalThis.console = { log: print, info: print, warn: print, error: print, debug: print }
}
`

const startJavaScript = async (memoryBytes: number): Promise<Interpreter> => {
  const { newQuickJSWASMModule } = await import("quickjs-emscripten")
  const readRows = await makeRowReader()
  const runtime: QuickJSRuntime = (await newQuickJSWASMModule()).newRuntime()
  runtime.setMemoryLimit(memoryBytes)
  runtime.setMaxStackSize(256 * 1024)
  const context: QuickJSContext = runtime.newContext()
  const print = context.newFunction("__print", (text) => {
    writeSync(1, context.getString(text))
  })
  context.setProp(context.global, "__print", print)
  const evaluate = (code: string): unknown => {
    const evaluated = context.evalCode(code, "code.js", { type: "global" })
    if (evaluated.error !== undefined) throw evaluated.error.consume(context.dump)
    const jobs = runtime.executePendingJobs()
    if (jobs.error !== undefined) throw jobs.error.consume(context.dump)
    const value: unknown = context.dump(evaluated.value)
    if (evaluated.value.alive) evaluated.value.dispose()
    return value
  }
  evaluate(javaScriptPrelude)
  return {
    evaluate,
    describe: (error) => {
      // What the program throws is a copy. An error of ours means that the interpreter itself has overflowed.
      if (error instanceof Error) throw error
      if (typeof error !== "object" || error === null || !("message" in error)) return String(error)
      const name = "name" in error ? `${String(error.name)}: ` : ""
      const stack = "stack" in error ? `\n${String(error.stack).trimEnd()}` : ""
      return `${name}${String(error.message)}${stack}`
    },
    give: (name, text) => {
      const key = JSON.stringify(name)
      evaluate(`__files[${key}] = ${JSON.stringify(text)}; undefined`)
      evaluate(`__tables[${key}] = ${JSON.stringify(JSON.stringify(readRows(name, text)))}; undefined`)
    },
    take: () => {
      const created = JSON.parse(String(evaluate("JSON.stringify(__created)")))
      evaluate("globalThis.__created = {}; undefined")
      return Object.entries(created)
    },
    flush: () => {}
  }
}

/** Reads the rows of a CSV or TSV file, with numbers as numbers and empty cells as null; of another file nothing. */
const makeRowReader = async () => {
  const { default: Papa } = await import("papaparse")
  return (name: string, text: string): ReadonlyArray<Record<string, string | number | null>> => {
    if (!/\.(?:csv|tsv)$/i.test(name)) return []
    const { data } = Papa.parse<Record<string, string>>(text, { header: true, skipEmptyLines: true })
    return data.map((row) => Object.fromEntries(Object.entries(row).map(([column, cell]) => [column, toValue(cell)])))
  }
}

const toValue = (cell: string): string | number | null =>
  cell === "" ? null : /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/.test(cell) ? Number(cell) : cell

/** Values of both interpreters as JSON: a Python dict is a Map, a set a Set, a large int a bigint. */
const toJson = (value: unknown): string | undefined =>
  value === undefined || value === null ? undefined : JSON.stringify(value, (_, item: unknown) => {
    if (item instanceof Map) return Object.fromEntries(item)
    if (item instanceof Set) return Array.from(item)
    if (typeof item === "bigint" || (typeof item === "number" && !Number.isFinite(item))) return String(item)
    return item
  })
