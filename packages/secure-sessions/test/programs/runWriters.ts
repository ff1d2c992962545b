// @effect-diagnostics nodeBuiltinImport:off - other processes are started and killed here
/** Writers in processes of their own, for the tests and for the long checks. */
import { Session, SessionService } from "@sennit/secure-sessions"
import { Effect, Option, Stream } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("appendMany.ts", import.meta.url))
const root = fileURLToPath(new URL("../../../..", import.meta.url))

export const ref = {
  app: Session.AppName.make("desk"),
  user: Session.UserId.make("ada"),
  id: Session.SessionId.make("shared")
}

interface Ended {
  /** None when it was killed. */
  readonly code: number | null
  readonly acknowledged: ReadonlyArray<string>
  readonly stderr: string
}

interface Writer {
  /** A file, or the URL of a PostgreSQL. */
  readonly place: string
  readonly name: string
  readonly count: number
  /** Acknowledged events after which it is killed. */
  readonly killAfter?: number
}

/** Runs a writer to its end; `conditions` choose the sources or what was built of them. */
export const runWriter = (
  { count, killAfter = Number.POSITIVE_INFINITY, name, place }: Writer,
  conditions: ReadonlyArray<string> = []
) =>
  Effect.async<Ended>((resume) => {
    const args = ["--import", "tsx", ...conditions, program, place, name, String(count)]
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += String(chunk)
      if (stdout.split("\n").length > killAfter) child.kill("SIGKILL")
    })
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += String(chunk)
    })
    child.on("close", (code) => {
      resume(Effect.succeed({ code, acknowledged: stdout.split("\n").slice(0, -1), stderr }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** All that the writers stored, and what is wrong with it. */
export const inspect = Effect.gen(function*() {
  const sessions = yield* SessionService.SessionService
  const session = Option.getOrThrow(yield* sessions.get(ref))
  const events = Array.from(yield* Stream.runCollect(sessions.events(ref)))
  const report = yield* sessions.verify(ref)
  const problems: Array<string> = []
  const expectSame = (what: string, actual: unknown, expected: unknown) => {
    if (JSON.stringify(actual) !== JSON.stringify(expected)) {
      problems.push(`${what}: ${JSON.stringify(actual)} and not ${JSON.stringify(expected)}`)
    }
  }
  expectSame("sequences", events.map(({ sequence }) => sequence), events.map((_, index) => index + 1))
  expectSame("revision", session.revision, events.length)
  expectSame("event count", session.eventCount, events.length)
  expectSame("verified", [report.revision, report.eventCount], [events.length, events.length])
  for (const writer of new Set(events.map(({ author }) => author))) {
    const bodies = events.filter((event) => event.author === writer).map(({ body }) => body)
    expectSame(`events of ${writer}`, bodies, bodies.map((_, index) => index))
    expectSame(`state of ${writer}`, session.state[writer], bodies.at(-1))
  }
  return { ids: new Set<string>(events.map(({ id }) => id)), problems }
})
