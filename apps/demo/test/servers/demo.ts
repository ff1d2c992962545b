/** The built demo as a child process, the way a person starts it; each on a port and in a folder of its own. */
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import { watch } from "node:fs"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import os from "node:os"
import path from "node:path"
import { createInterface } from "node:readline"

const main = path.resolve(import.meta.dirname, "../../dist/sennit.js")

export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(path.join(os.tmpdir(), "sennit-demo-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

const environment = (env: Record<string, string>) => {
  const { OPENAI_API_KEY: _a, OPENAI_BASE_URL: _b, SENNIT_KEY: _c, SENNIT_PASSPHRASE: _d, ...inherited } = process.env
  return { ...inherited, SENNIT_PORT: "0", ...env }
}

/** `within` is a program, with its arguments, that becomes the demo: it is given the demo's command line. */
const launch = (
  args: ReadonlyArray<string>,
  env: Record<string, string>,
  input?: string,
  within: ReadonlyArray<string> = []
): Started => {
  const stdin = input === undefined ? "ignore" : "pipe"
  const [program = process.execPath, ...rest] = [...within, process.execPath, main, ...args]
  const child = spawn(program, rest, { env: environment(env), stdio: [stdin, "pipe", "pipe"] })
  child.stdin?.end(input)
  let stdout = ""
  let stderr = ""
  child.stdout?.on("data", (data) => stdout += data)
  child.stderr?.on("data", (data) => stderr += data)
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return { child, ended }
}

/** Runs a command of the demo to its end; `input` is piped into it. */
export const command = (
  args: ReadonlyArray<string>,
  env: Record<string, string>,
  input?: string,
  within?: ReadonlyArray<string>
): Effect.Effect<Ended> =>
  Effect.acquireUseRelease(
    Effect.sync(() => launch(args, env, input, within)),
    ({ ended }) => Effect.promise(() => ended),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** What in a folder a command changes: names that start so, for the nth time. */
export interface Change {
  readonly folder: string
  readonly prefix: string
  readonly nth: number
}

/** Runs a command and kills it with SIGKILL as soon as it changes something. */
export const killedAtChange = (
  args: ReadonlyArray<string>,
  env: Record<string, string>,
  { folder, nth, prefix }: Change
): Effect.Effect<Ended> =>
  Effect.acquireUseRelease(
    Effect.sync(() => launch(args, env)),
    ({ child, ended }) =>
      Effect.promise(() => {
        let seen = 0
        const watcher = watch(folder, (_, name) => {
          if (name?.startsWith(prefix) === true && ++seen === nth) child.kill("SIGKILL")
        })
        return ended.finally(() => watcher.close())
      }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

export interface Demo {
  readonly address: string
  /** The first lines that it printed. */
  readonly banner: string
  readonly pid: number
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<Ended>
}

const stop = ({ child, ended }: Started, signal: NodeJS.Signals) =>
  Effect.promise(() => {
    child.kill(signal)
    return ended
  })

/** Starts a command, which is gone at the end of the scope; gives how to end it. */
export const startCommand = (args: ReadonlyArray<string>, env: Record<string, string>, input?: string) =>
  Effect.map(
    Effect.acquireRelease(Effect.sync(() => launch(args, env, input)), (started) => stop(started, "SIGKILL")),
    (started) => (signal: NodeJS.Signals) => stop(started, signal)
  )

/** Resolves with what it prints when it listens, and rejects when it ends before that. */
const listening = ({ child, ended }: Started): Promise<ReadonlyArray<string>> =>
  new Promise((resolve, reject) => {
    const lines: Array<string> = []
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (lines.push(line) === 4) resolve(lines)
    })
    void ended.then(({ stderr }) => reject(new Error(`The demo ended: ${stderr}`)))
  })

/** Starts the server and waits for its address; at the end of the scope it is gone. */
export const startDemo = (env: Record<string, string>, within?: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => launch(["serve"], env, undefined, within)),
    (started) => stop(started, "SIGKILL")
  ).pipe(
    Effect.flatMap((started) =>
      Effect.map(Effect.promise(() => listening(started)), (lines): Demo => ({
        address: /listens on (http:\S+)/.exec(lines[0] ?? "")?.[1] ?? "",
        banner: lines.join("\n"),
        pid: started.child.pid ?? 0,
        kill: (signal) => stop(started, signal)
      }))
    )
  )

/** Runs a command that has to succeed, and gives what it printed. */
export const runs = (env: Record<string, string>, ...args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.map(command(args, env), ({ code, stderr, stdout }) => {
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`)
    return stdout
  })

/** The same, for one that prints JSON. */
export const printed = <A>(env: Record<string, string>, ...args: ReadonlyArray<string>): Effect.Effect<A> =>
  Effect.map(runs(env, ...args, "--json"), (stdout): A => JSON.parse(stdout))

/** The bytes of every file below the folder. */
export const everyByte = (folder: string): Effect.Effect<Buffer> =>
  Effect.promise(async () => {
    const names = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = names.filter((entry) => entry.isFile()).map(({ name, parentPath }) => path.join(parentPath, name))
    return Buffer.concat(await Promise.all(files.map((file) => readFile(file))))
  })
