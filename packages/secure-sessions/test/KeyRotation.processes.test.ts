// @effect-diagnostics nodeBuiltinImport:off - other processes are started and killed here
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { KeyProvider, KeyRotation, Session, SessionService } from "@sennit/secure-sessions"
import { DateTime, Effect, Layer, Option } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { app, filesOf, keyOf, keyring, openFile, say, temporaryFile, using } from "./support.ts"

const program = fileURLToPath(new URL("programs/rotate.ts", import.meta.url))
const root = fileURLToPath(new URL("../../..", import.meta.url))
const id = Session.SessionId.make("shared")
const users = ["ada", "eve", "zoe"].map((name) => Session.UserId.make(name))
const bodies = Array.from({ length: 150 }, (_, at) => at)

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly batches: number
  readonly stderr: string
}

/** Runs a rotation to its end, or kills it once it has reported so many batches. */
const runRotation = (filename: string, renewBefore: number, killAfter = Number.POSITIVE_INFINITY) =>
  Effect.async<Ended>((resume) => {
    const args = ["--import", "tsx", "-C", "@sennit/source", program, filename, String(renewBefore)]
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    let batches = 0
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => {
      batches += String(chunk).split("\n").length - 1
      if (batches >= killAfter) child.kill("SIGKILL")
    })
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += String(chunk)
    })
    child.on("close", (code, signal) => resume(Effect.succeed({ code, signal, batches, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const write = Effect.forEach(users, (user) =>
  Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    let session = yield* sessions.create({ app, user, id })
    for (const body of bodies) session = yield* sessions.append(session, say(body), { stateDelta: { at: body } })
  }))

const readWhole = Effect.forEach(users, (user) =>
  Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const session = Option.getOrThrow(yield* sessions.get({ app, user, id }))
    expect(session.events.map(({ body }) => body)).toEqual(bodies)
    expect(session.state).toEqual({ at: bodies.at(-1) })
    expect(yield* sessions.verify(session.ref)).toMatchObject({ eventCount: bodies.length })
  }))

const both = Layer.orDie(
  KeyProvider.layerKeyring([{ id: "test", key: keyOf(1) }, { id: "next", key: keyOf(2), primary: true }])
)
const onlyNext = Layer.orDie(KeyProvider.layerKeyring([{ id: "next", key: keyOf(2) }]))

describe("a rotation in a process of its own", () => {
  it.scopedLive(
    "is killed at several points; all reads every time, the last one finishes, and the old key is gone from the files",
    () =>
      Effect.gen(function*() {
        const filename = yield* temporaryFile
        const open = (keys: Layer.Layer<KeyProvider.KeyProvider>) => using(openFile(filename, keys))
        const wrappings = yield* Effect.scoped(
          open(keyring(1))(Effect.gen(function*() {
            yield* write
            const sql = yield* SqlClient.SqlClient
            return yield* sql<{ readonly wrapped: Uint8Array }>`SELECT wrapped FROM session_keys`
          }))
        )
        expect(wrappings).toHaveLength(users.length + 1)
        const renewBefore = DateTime.unsafeNow().epochMillis
        for (const killAfter of [1, 5, 9]) {
          const killed = yield* runRotation(filename, renewBefore, killAfter)
          expect(killed).toMatchObject({ code: null, signal: "SIGKILL", stderr: "" })
          yield* Effect.scoped(open(both)(readWhole))
        }
        const finished = yield* runRotation(filename, renewBefore)
        expect(finished).toMatchObject({ code: 0, stderr: "" })
        yield* Effect.scoped(
          open(onlyNext)(Effect.gen(function*() {
            yield* readWhole
            const { status } = yield* KeyRotation.KeyRotation
            const { keys, records } = yield* status
            expect(keys).toEqual([
              { kekId: "next", isPrimary: true, active: users.length + 1, retired: users.length, shredded: 0 }
            ])
            expect(records.every(({ key }) => key === "active")).toBe(true)
          }))
        )
        const files = yield* filesOf(filename)
        expect(wrappings.filter(({ wrapped }) => files.some(({ bytes }) => bytes.includes(Buffer.from(wrapped)))))
          .toEqual([])
      }),
    300_000
  )
})
