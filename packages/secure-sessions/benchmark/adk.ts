// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off - a benchmark drives files and promises itself
/* oxlint-disable eslint/no-await-in-loop -- appends of one session come one after the other */
/**
 * Beside ADK's own DatabaseSessionService on SQLite: with its own driver for it, the same journal (WAL) and the same
 * durability (NORMAL). ADK stores everything in clear.
 */
import { KeyProvider, SecureSessions, Session, SessionService } from "@sennit/secure-sessions"
import { Effect, Layer, ManagedRuntime, Option, Redacted } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import path from "node:path"
import type { Sample, Workload } from "./main.ts"

const owner = { app: Session.AppName.make("bench"), user: Session.UserId.make("ada") }
const text = "x".repeat(1000)

interface AdkEvent {
  readonly id?: string
}

interface AdkSession {
  readonly id: string
  readonly events: ReadonlyArray<AdkEvent>
}

interface AdkService {
  readonly init: () => Promise<void>
  readonly createSession: (request: { readonly appName: string; readonly userId: string }) => Promise<AdkSession>
  readonly getSession: (
    request: { readonly appName: string; readonly userId: string; readonly sessionId: string }
  ) => Promise<AdkSession | undefined>
  readonly appendEvent: (request: { readonly session: AdkSession; readonly event: AdkEvent }) => Promise<AdkEvent>
}

interface Adk {
  readonly DatabaseSessionService: new(options: { readonly driver: unknown; readonly dbName: string }) => AdkService
  readonly createEvent: (event: object) => AdkEvent
}

const isAdk = (module: object): module is Adk => "DatabaseSessionService" in module && "createEvent" in module

const hasDriver = (module: object): module is { readonly SqliteDriver: unknown } => "SqliteDriver" in module

interface Orm {
  readonly em: { readonly getConnection: () => { readonly execute: (sql: string) => Promise<unknown> } }
  readonly close: () => Promise<void>
}

const isOrm = (value: unknown): value is Orm => typeof value === "object" && value !== null && "em" in value

const openAdk = async (folder: string) => {
  const [adkName, driverName]: ReadonlyArray<string> = ["@google/adk", "@mikro-orm/sqlite"]
  const adk: object = await import(adkName ?? "")
  const driver: object = await import(driverName ?? "")
  if (!isAdk(adk) || !hasDriver(driver)) throw new Error("ADK has not what is measured")
  const service = new adk.DatabaseSessionService({
    driver: driver.SqliteDriver,
    dbName: path.join(folder, "adk.db")
  })
  await service.init()
  const orm: unknown = Reflect.get(service, "orm")
  if (!isOrm(orm)) throw new Error("ADK has no ORM to set the journal of")
  await orm.em.getConnection().execute("PRAGMA journal_mode = WAL")
  await orm.em.getConnection().execute("PRAGMA synchronous = NORMAL")
  const names = { appName: "bench", userId: "ada" }
  const event = () =>
    adk.createEvent({ author: "ada", content: { role: "user", parts: [{ text }] }, invocationId: "i" })
  return { service, names, event, close: () => orm.close() }
}

const openOurs = (folder: string) => {
  const keys = KeyProvider.layerKeyring([{ id: "bench", key: Redacted.make(new Uint8Array(32).fill(1)) }])
  const layer = SecureSessions.layerSqlite({ filename: path.join(folder, "sessions.db"), synchronous: "NORMAL" })
  return ManagedRuntime.make(Layer.provide(layer, keys))
}

const timed = async (count: number, run: () => Promise<void>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await run()
  const seconds = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(cpu)
  return { value: count / seconds, cpuMs: (system + user) / 1000 }
}

const check = (holds: boolean, what: string) => {
  if (!holds) throw new Error(`wrong result: ${what}`)
}

const appendOurs = (sessions: typeof SessionService.SessionService.Service, count: number) =>
  Effect.flatMap(sessions.create(owner), (created) =>
    Effect.iterate(created, {
      while: ({ revision }) => revision < created.revision + count,
      body: (current) => sessions.append(current, { author: "ada", body: text })
    }))

const appends = 100
/** Turns of a conversation: each session is new, and grows to a hundred events. */
const append: Workload = {
  id: "append.adk",
  unit: "appends/s",
  peerName: "ADK DatabaseSessionService on SQLite",
  better: "higher",
  target: 10,
  open: async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sennit-bench-"))
    const runtime = openOurs(folder)
    const adk = await openAdk(folder)
    return {
      ours: () =>
        timed(appends, () =>
          runtime.runPromise(Effect.gen(function*() {
            const sessions = yield* SessionService.SessionService
            const { ref } = yield* appendOurs(sessions, appends)
            const stored = Option.getOrThrow(yield* sessions.get(ref, { recent: 1 }))
            check(stored.revision >= appends, "the events that were appended")
          }))),
      peer: () =>
        timed(appends, async () => {
          const session = await adk.service.createSession(adk.names)
          for (let i = 0; i < appends; i++) await adk.service.appendEvent({ session, event: adk.event() })
          const stored = await adk.service.getSession({ ...adk.names, sessionId: session.id })
          check(stored?.events.length === appends, "the events that were appended")
        }),
      close: async () => {
        await runtime.dispose()
        await adk.close()
        await rm(folder, { recursive: true })
      }
    }
  }
}

const events = 200
/** Enough for the collector to come in each sample. */
const reads = 100
const read: Workload = {
  id: "get.200",
  unit: "reads/s",
  peerName: "ADK DatabaseSessionService on SQLite",
  better: "higher",
  target: 5,
  open: async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sennit-bench-"))
    const runtime = openOurs(folder)
    const adk = await openAdk(folder)
    const sessions = await runtime.runPromise(SessionService.SessionService)
    const { ref } = await runtime.runPromise(appendOurs(sessions, events))
    const session = await adk.service.createSession(adk.names)
    for (let i = 0; i < events; i++) await adk.service.appendEvent({ session, event: adk.event() })
    return {
      ours: () =>
        timed(reads, () =>
          runtime.runPromise(Effect.repeatN(
            Effect.map(
              sessions.get(ref),
              (found) => check(Option.getOrThrow(found).events.length === events, "the events that were read")
            ),
            reads - 1
          ))),
      peer: () =>
        timed(reads, async () => {
          for (let i = 0; i < reads; i++) {
            const found = await adk.service.getSession({ ...adk.names, sessionId: session.id })
            check(found?.events.length === events, "the events that were read")
          }
        }),
      close: async () => {
        await runtime.dispose()
        await adk.close()
        await rm(folder, { recursive: true })
      }
    }
  }
}

export const adk: ReadonlyArray<Workload> = [append, read]
