// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off - a benchmark drives files and promises itself
/** What an append costs beside a large state. */
import { KeyProvider, SecureSessions, Session, SessionService } from "@sennit/secure-sessions"
import { Effect, Layer, ManagedRuntime, Option, Redacted } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import path from "node:path"
import type { Sample, Workload } from "./main.ts"

const count = 200
const owner = { app: Session.AppName.make("bench"), user: Session.UserId.make("ada") }

/** Appends one after the other, each with one key of a state of so many, through the handle that holds all of it. */
const stateOf = (runtime: ManagedRuntime.ManagedRuntime<SessionService.SessionService, unknown>, keys: number) => {
  const state = Object.fromEntries(Array.from({ length: keys }, (_, index) => [`key ${index}`, index]))
  const run = Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    let session = yield* sessions.create({ ...owner, state })
    return async (): Promise<Sample> => {
      const before = session.revision
      const cpu = process.cpuUsage()
      const start = process.hrtime.bigint()
      session = await runtime.runPromise(Effect.iterate(session, {
        while: ({ revision }) => revision < before + count,
        body: (current) =>
          sessions.append(current, { author: "ada", body: "x" }, { stateDelta: { "key 3": current.revision } })
      }))
      const value = Number(process.hrtime.bigint() - start) / 1000 / count
      const { system, user } = process.cpuUsage(cpu)
      const stored = Option.getOrThrow(await runtime.runPromise(sessions.get(session.ref, { recent: 0 })))
      if (stored.revision !== before + count || stored.state["key 3"] !== stored.revision - 1) {
        throw new Error("wrong result: the state that was appended")
      }
      if (Object.keys(stored.state).length !== keys) throw new Error("wrong result: the keys of the state")
      return { value, cpuMs: (system + user) / 1000 }
    }
  })
  return runtime.runPromise(run)
}

const stateRow: Workload = {
  id: "append.state",
  unit: "µs/append",
  peerName: "a state of 10 keys instead of 10,000",
  better: "lower",
  target: 1.2,
  open: async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sennit-bench-"))
    const keys = KeyProvider.layerKeyring([{ id: "bench", key: Redacted.make(new Uint8Array(32).fill(1)) }])
    const layer = SecureSessions.layerSqlite({ filename: path.join(folder, "sessions.db"), synchronous: "NORMAL" })
    const runtime = ManagedRuntime.make(Layer.provide(layer, keys))
    return {
      ours: await stateOf(runtime, 10_000),
      peer: await stateOf(runtime, 10),
      close: async () => {
        await runtime.dispose()
        await rm(folder, { recursive: true })
      }
    }
  }
}

export const storage: ReadonlyArray<Workload> = [stateRow]
