// @effect-diagnostics nodeBuiltinImport:off tests look at the disk behind the store's back
import { Effect, Redacted } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"

/** The names of unfinished writes anywhere below a folder. */
export const temps = (root: string): ReadonlyArray<string> =>
  Fs.readdirSync(root, { recursive: true }).map(String).filter((path) => Path.basename(path).startsWith(".~"))

/** How many descriptors this process has open below a folder. */
export const openBelow = (root: string): number => {
  const links = Fs.readdirSync("/proc/self/fd").map((fd) => {
    try {
      return Fs.readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return "" // the descriptor that listed the folder itself
    }
  })
  return links.filter((link) => link.startsWith(root)).length
}

/** Runs a script of this folder as a process of its own, which reads the package's sources and ends with the scope. */
export const start = (script: string, ...args: ReadonlyArray<string>) => startWith({}, script, ...args)

/** The same with a secret in its environment, where no list of processes shows it. */
export const startWith = (
  { secret }: { readonly secret?: Redacted.Redacted<string> | undefined },
  script: string,
  ...args: ReadonlyArray<string>
) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(
        process.execPath,
        ["--import", "tsx", "-C", "@sennit/source", fileURLToPath(new URL(script, import.meta.url)), ...args],
        {
          stdio: ["ignore", "pipe", "inherit"],
          cwd: fileURLToPath(new URL("../..", import.meta.url)),
          env: { ...process.env, ...(secret === undefined ? {} : { SECRET: Redacted.value(secret) }) }
        }
      )
    ),
    kill
  )

type Child = ChildProcess.ChildProcessByStdio<null, Readable, null>

/** kill -9, and wait until it is gone. */
export const kill = (child: Child): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

/** The lines that it prints. */
export const linesOf = (child: Child): AsyncIterator<string> =>
  createInterface({ input: child.stdout })[Symbol.asyncIterator]()
