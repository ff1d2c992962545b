// @effect-diagnostics nodeBuiltinImport:off - other processes are started and killed here
import { describe, expect, it } from "@effect/vitest"
import { Session, SessionService } from "@sennit/secure-sessions"
import { Effect, Layer, Option, Stream } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { ada, app, filesOf, keyring, openFile, temporaryFile, using } from "./support.ts"

const program = fileURLToPath(new URL("programs/appendMany.ts", import.meta.url))
const root = fileURLToPath(new URL("../../..", import.meta.url))
const ref = { app, user: ada, id: Session.SessionId.make("shared") }

interface Ended {
  readonly code: number | null
  readonly acknowledged: ReadonlyArray<string>
  readonly stderr: string
}

/** Runs a writer to its end, or kills it once it has acknowledged so many events. */
const runWriter = (filename: string, writer: string, count: number, killAfter = Number.POSITIVE_INFINITY) =>
  Effect.async<Ended>((resume) => {
    const args = ["--import", "tsx", "-C", "@sennit/source", program, filename, writer, String(count)]
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

/** Everything that is stored, after checking that it is whole. */
const readWhole = Effect.gen(function*() {
  const sessions = yield* SessionService.SessionService
  const session = Option.getOrThrow(yield* sessions.get(ref))
  const events = Array.from(yield* Stream.runCollect(sessions.events(ref)))
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1))
  expect(session).toMatchObject({ revision: events.length, eventCount: events.length })
  for (const writer of new Set(events.map(({ author }) => author))) {
    const bodies = events.filter((event) => event.author === writer).map(({ body }) => body)
    expect(bodies).toEqual(bodies.map((_, index) => index))
    expect(session.state[writer]).toBe(bodies.at(-1))
  }
  return events.map(({ id }) => id)
})

describe("several processes on one file", () => {
  it.scopedLive("two that append 300 events each lose none", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const writers = yield* Effect.all([runWriter(filename, "left", 300), runWriter(filename, "right", 300)], {
        concurrency: 2
      })
      expect(writers.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
        { code: 0, stderr: "" },
        { code: 0, stderr: "" }
      ])
      const ids = yield* using(openFile(filename))(readWhole)
      expect(ids).toHaveLength(600)
      expect(new Set(ids)).toEqual(new Set(writers.flatMap(({ acknowledged }) => acknowledged)))
    }), 300_000)

  it.scopedLive(
    "one that is killed leaves every acknowledged event, and a wrong key changes nothing of what it left",
    () =>
      Effect.gen(function*() {
        const filename = yield* temporaryFile
        const acknowledged: Array<string> = []
        // The -shm file is an index in shared memory, rebuilt by every reader.
        const data = Effect.map(filesOf(filename), (files) => files.filter(({ name }) => !name.endsWith("-shm")))
        for (const [round, killAfter] of [1, 7, 40].entries()) {
          const writer = yield* runWriter(filename, `writer${round}`, 100_000, killAfter)
          expect(writer.code).toBeNull()
          acknowledged.push(...writer.acknowledged)

          const before = yield* data
          expect(before.map(({ name }) => name)).toContain("sessions.db-wal")
          const error = yield* Effect.flip(Effect.scoped(Layer.build(openFile(filename, keyring(9)))))
          expect(error).toMatchObject({ _tag: "ConfigurationError", reason: "WrongKey" })
          expect(yield* data).toEqual(before)

          const stored = new Set<string>(yield* Effect.scoped(using(openFile(filename))(readWhole)))
          expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
        }
      }),
    300_000
  )
})
