// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off globalDate:off - a benchmark drives files and promises itself
/**
 * Rotation while sessions are in use. Rows whose target is a figure of its own have that figure as their peer.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Encryption, KeyProvider, KeyRotation, SecureSessions, Session, SessionService } from "@sennit/secure-sessions"
import { Chunk, DateTime, Effect, Fiber, Layer, ManagedRuntime, Option, Redacted, Schedule, Stream } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import path from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import type { Sample, Workload } from "./main.ts"

const key = (id: string, byte: number, primary: boolean): KeyProvider.KeyringKey => ({
  id,
  key: Redacted.make<Uint8Array>(new Uint8Array(32).fill(byte)),
  primary
})

const openFile = (folder: string, isSecond: boolean) =>
  ManagedRuntime.make(
    SecureSessions.layerSqlite({ filename: path.join(folder, "sessions.db"), synchronous: "NORMAL" }).pipe(
      Layer.provide(KeyProvider.layerKeyring([key("first", 1, !isSecond), key("second", 2, isSecond)]))
    )
  )

type Runtime = ReturnType<typeof openFile>

const inFolder = async <A>(use: (folder: string) => Promise<A>) => {
  const folder = await mkdtemp(path.join(tmpdir(), "sennit-bench-"))
  const close = () => rm(folder, { recursive: true })
  return { close, opened: await use(folder) }
}

const check = (holds: boolean, what: string) => {
  if (!holds) throw new Error(`wrong result: ${what}`)
}

/** Runs once and answers what it made of the elapsed seconds. */
const timed = async (run: () => Promise<(seconds: number) => number>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const start = process.hrtime.bigint()
  const valueOf = await run()
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const { system, user } = process.cpuUsage(cpu)
  return { value: valueOf(seconds), cpuMs: (system + user) / 1000 }
}

const promised = (value: number) => () => Promise.resolve({ value, cpuMs: 0 })

const last = <E, R>(progress: Stream.Stream<KeyRotation.Progress, E, R>) =>
  Effect.map(Stream.runLast(progress), Option.getOrThrow)

const keyCount = 5000

const rewrapRow: Workload = {
  id: "rotate.kek",
  unit: "data keys/s",
  peerName: "the promise of 5,000 a second",
  better: "higher",
  target: 1,
  open: async () => {
    const { close, opened: folder } = await inFolder(async (made) => {
      const runtime = openFile(made, false)
      await runtime.runPromise(
        Effect.flatMap(
          Encryption.Encryption,
          (encryption) =>
            Effect.forEach(
              Array.from({ length: keyCount - 1 }),
              (_, user) =>
                encryption.seal({ app: "bench", user: `${user}` }, { table: "t", column: "c" }, new Uint8Array(1))
            )
        )
      )
      await runtime.dispose()
      return made
    })
    let isSecond = false
    return {
      ours: async () => {
        isSecond = !isSecond
        const runtime = openFile(folder, isSecond)
        await runtime.runPromise(KeyRotation.KeyRotation)
        const sample = await timed(async () => {
          const { keys } = await runtime.runPromise(
            Effect.flatMap(KeyRotation.KeyRotation, ({ rewrapAll }) => last(rewrapAll))
          )
          check(keys === keyCount, "not every data key was rewrapped")
          return (seconds) => keys / seconds
        })
        await runtime.dispose()
        return sample
      },
      peer: promised(5000),
      close
    }
  }
}

const app = Session.AppName.make("bench")
const users = Array.from({ length: 6 }, (_, at) => Session.UserId.make(`user${at}`))
const id = Session.SessionId.make("s")
const eventsOfUser = 1000
const body = "x".repeat(1024)

const fill = Effect.forEach(users, (user) =>
  Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const session = yield* sessions.create({ app, user, id })
    yield* Effect.iterate(session, {
      while: ({ revision }) => revision < eventsOfUser,
      body: (current) => sessions.append({ ...current, events: [] }, { author: "ada", body })
    })
  }))

const percentile = (values: ReadonlyArray<number>, part: number) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * part) - 1] ?? Number.NaN

/** Appends 200 times a second to a session of its own; answers milliseconds of each, from when it was due. */
const appendSteadily = Effect.gen(function*() {
  const sessions = yield* SessionService.SessionService
  const took: Array<number> = []
  let session = yield* sessions.create({ app, user: Session.UserId.make("writer") })
  yield* Effect.gen(function*() {
    const start = performance.now()
    session = { ...(yield* sessions.append(session, { author: "ada", body })), events: [] }
    took.push(performance.now() - start)
  }).pipe(Effect.repeat(Schedule.fixed("5 millis")), Effect.forkScoped)
  return took
})

/** Reads the sessions that are sealed again, and fails with the first read that fails. */
const readSteadily = Effect.gen(function*() {
  const sessions = yield* SessionService.SessionService
  let turn = 0
  return yield* Effect.suspend(() => sessions.get({ app, user: users[turn++ % users.length]!, id }, { recent: 20 }))
    .pipe(
      Effect.tap((found) => check(Option.getOrThrow(found).events.length === 20, "a read lost events")),
      Effect.repeat(Schedule.spaced("20 millis")),
      Effect.forkScoped
    )
})

const readAll = Effect.forEach(
  users,
  (user) =>
    Effect.flatMap(
      SessionService.SessionService,
      (sessions) =>
        Effect.map(sessions.verify({ app, user, id }), ({ eventCount }) => check(eventCount === eventsOfUser, "events"))
    )
)

interface Run {
  readonly records: number
  readonly seconds: number
  readonly appends: ReadonlyArray<number>
  readonly delay: number
}

/** Some work beside appends and reads: what it did, how long appends took, and what the thread was kept for. */
const beside = (work: Effect.Effect<number, KeyRotation.RotationError, KeyRotation.KeyRotation>) =>
  Effect.scoped(Effect.gen(function*() {
    const appends = yield* appendSteadily
    const reader = yield* readSteadily
    const histogram = monitorEventLoopDelay({ resolution: 1 })
    histogram.enable()
    const start = performance.now()
    const records = yield* work
    const seconds = (performance.now() - start) / 1000
    histogram.disable()
    check(Option.isNone(yield* Fiber.poll(reader)), "a read failed")
    return { records, seconds, appends, delay: histogram.percentile(99) / 1e6 }
  }))

const reencryptAll = Effect.gen(function*() {
  const { reencrypt } = yield* KeyRotation.KeyRotation
  const steps = yield* Stream.runCollect(reencrypt({ renewBefore: yield* DateTime.now }))
  return Option.getOrThrow(Chunk.last(steps)).records
})

const idle = Effect.as(Effect.sleep("1500 millis"), 0)

const openFilled = async () => {
  const { close, opened: runtime } = await inFolder(async (folder) => {
    const made = openFile(folder, false)
    await made.runPromise(fill)
    return made
  })
  const run = async (
    work: Effect.Effect<number, KeyRotation.RotationError, KeyRotation.KeyRotation>,
    valueOf: (run: Run) => number
  ) => {
    const sample = await timed(async () => {
      const result = await runtime.runPromise(beside(work))
      return () => valueOf(result)
    })
    await runtime.runPromise(readAll)
    return sample
  }
  return {
    run,
    close: async () => {
      await runtime.dispose()
      await close()
    }
  }
}

const speed = ({ records, seconds }: Run) => {
  check(records >= users.length * eventsOfUser, "not every record was sealed again")
  return records / seconds
}

const reencryptRow: Workload = {
  id: "reencrypt",
  unit: "events/s",
  peerName: "the promise of 3,000 a second, beside 200 appends",
  better: "higher",
  target: 1,
  open: async () => {
    const { close, run } = await openFilled()
    return { ours: () => run(reencryptAll, speed), peer: promised(3000), close }
  }
}

const p99 = ({ appends }: Run) => percentile(appends, 0.99)

const appendRow: Workload = {
  id: "reencrypt.append",
  unit: "ms p99/append",
  peerName: "the same 200 appends a second without a rotation",
  better: "lower",
  target: 2,
  open: async () => {
    const { close, run } = await openFilled()
    return { ours: () => run(reencryptAll, p99), peer: () => run(idle, p99), close }
  }
}

const delayRow: Workload = {
  id: "loop.delay",
  unit: "ms p99",
  peerName: "the promise of 10 ms, under appends, reads and a rotation",
  better: "lower",
  target: 1,
  open: async () => {
    const { close, run } = await openFilled()
    return { ours: () => run(reencryptAll, ({ delay }) => delay), peer: promised(10), close }
  }
}

/** Bytes of a stored event over those of the JSON that it holds. */
const overhead = (runtime: Runtime) =>
  runtime.runPromise(Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const sql = yield* SqlClient.SqlClient
    const user = Session.UserId.make("size")
    const { ref } = yield* sessions.append(yield* sessions.create({ app, user }), { author: "ada", body })
    const stored = yield* sql<
      { readonly size: number; readonly time: number }
    >`SELECT length(body) + length(link) AS size,
      time FROM session_events WHERE user_id = ${ref.user}`
    const { size, time } = stored[0]!
    yield* sessions.delete(ref)
    return size - JSON.stringify([time, "ada", body]).length
  }))

const sizeRow: Workload = {
  id: "size",
  unit: "bytes over the plaintext/event",
  peerName: "the promise of 64",
  better: "lower",
  target: 1,
  open: async () => {
    const { close, opened: runtime } = await inFolder((folder) => Promise.resolve(openFile(folder, false)))
    return {
      ours: () =>
        timed(async () => {
          const bytes = await overhead(runtime)
          return () => bytes
        }),
      peer: promised(64),
      close: async () => {
        await runtime.dispose()
        await close()
      }
    }
  }
}

export const rotation: ReadonlyArray<Workload> = [rewrapRow, reencryptRow, appendRow, delayRow, sizeRow]
