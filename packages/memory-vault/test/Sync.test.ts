// @effect-diagnostics nodeBuiltinImport:off -- a program that waits has no Effect
import type { Memory } from "@sennit/memory-vault"
import { Compressor, MemoryVaultError } from "@sennit/memory-vault"
import { MemoryVaultSync } from "@sennit/memory-vault/Sync"
import { DateTime, Duration } from "effect"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { setImmediate } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { afterAll, beforeEach, describe, expect, it } from "vitest"

const folder = mkdtempSync(path.join(os.tmpdir(), "sennit-vault-sync-"))
const filename = path.join(folder, "vault.db")
/** Most tests share a worker, because it takes time to start one. */
const vault = new MemoryVaultSync({ filename })
// a thread that only waits answers nobody, the test runner neither
beforeEach(async () => {
  await setImmediate()
})
afterAll(() => {
  vault.close()
  rmSync(folder, { recursive: true })
})

const caught = (call: () => unknown): unknown => {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error("nothing was thrown")
}

const onlyOf = ({ memories: [saved] }: Memory.SaveResult): Memory.Memory => {
  if (saved === undefined) throw new Error("nothing was saved")
  return saved
}

describe("MemoryVaultSync", () => {
  it("does what the vault does, and its times and errors are those of the vault", () => {
    const alice = vault.scoped({ user: "alice" })
    const eventTime = DateTime.unsafeMake("2026-01-02T03:04:05Z")
    const metadata = { "a b": 1, list: null }
    const saved = onlyOf(alice.save({ text: "The kettle is red.", eventTime, metadata }))
    expect(DateTime.isDateTime(saved.createdAt)).toBe(true)
    expect(saved).toMatchObject({ eventTime, metadata })
    expect(alice.get(saved.id)).toEqual(saved)
    expect(alice.recall("kettle").memories.map(({ memory }) => memory)).toEqual([saved])
    expect(alice.update(saved.id, { version: 1, text: "The kettle is blue." })).toMatchObject({ version: 2 })
    expect(alice.history(saved.id).map(({ text }) => text)).toEqual(["The kettle is red.", "The kettle is blue."])
    const conflict = caught(() => alice.update(saved.id, { version: 1 }))
    expect(conflict).toBeInstanceOf(MemoryVaultError.VersionConflict)
    expect(conflict).toMatchObject({ expected: 1, actual: 2 })
    expect(caught(() => alice.save(""))).toMatchObject({ _tag: "IngestionError", reason: "empty" })
    expect(caught(() => vault.scoped({ user: "" }).stats())).toMatchObject({ _tag: "InvalidScope", reason: "empty" })
    expect(alice.forget(saved.id)).toBe(true)
    expect(alice.get(saved.id)).toBe(undefined)
  })

  it("keeps notes, procedures and sessions", () => {
    const bob = vault.scoped({ user: "bob" })
    expect(bob.procedural.upsert({ key: "tone", text: "Be brief." })).toMatchObject({ version: 1 })
    expect([...bob.procedural.list()].map(({ key }) => key)).toEqual(["tone"])
    expect(bob.procedural.delete("tone")).toBe(true)
    const notes = bob.working("s")
    const note = notes.set({ key: "goal", text: "Ship.", ttl: Duration.days(1) })
    expect(notes.get("goal")).toEqual(note)
    expect([...notes.list()]).toEqual([note])
    expect(notes.get("other")).toBe(undefined)
    bob.save({ text: "Done.", sessionId: "s" })
    expect(bob.endSession("s")).toMatchObject({ memories: 1, notes: 1 })
    expect(notes.clear()).toBe(0)
    expect(bob.stats()).toMatchObject({ memories: 1, sessions: 1 })
    expect([...bob.reembed()].at(-1)).toMatchObject({ done: 1, total: 1 })
    expect(bob.forgetAll({ confirm: true })).toMatchObject({ memories: 1, logTruncated: true })
  })

  it("reads long lists as they are read, and lets go of those that are left", () => {
    const cy = vault.scoped({ user: "cy" })
    const results = [...cy.saveAll(Array.from({ length: 300 }, (_, i) => `Entry ${i} of the log.`))]
    expect(results.map(({ created }) => created)).toEqual(results.map(() => 1))
    expect([...cy.list()]).toHaveLength(300)
    for (const { text } of cy.list()) {
      expect(text).toBe("Entry 299 of the log.")
      break
    }
    const dora = vault.scoped({ user: "dora" })
    expect(dora.import(cy.export())).toMatchObject({ memories: 300 })
    expect([...dora.list()].map(({ text }) => text)).toEqual([...cy.list()].map(({ text }) => text))
    expect(caught(() => [...cy.list({ from: "never" })])).toMatchObject({ _tag: "InvalidQuery", reason: "time" })
  })

  it("compresses and waits for it", () => {
    const eve = vault.scoped({ user: "eve" })
    const turns = Array.from(
      { length: 40 },
      (_, i) => ({ text: `Turn ${i} tells of pier ${i} and of a ferry.`, sessionId: "s" })
    )
    expect([...eve.saveAll(turns)]).toHaveLength(40)
    const job = eve.jobs.await(eve.compress().id)
    expect(job).toMatchObject({ state: "done", done: 1 })
    expect(eve.jobs.status(job.id)).toEqual(job)
    expect(eve.jobs.cancel(job.id)).toBe(false)
    expect(eve.jobs.status(Compressor.JobId.make(`job_${"0".repeat(26)}`))).toBe(undefined)
    const [summary] = [...eve.summaries.list("s")]
    if (summary === undefined) throw new Error("no summary")
    expect(eve.summaries.sources(summary.id).length).toBeGreaterThan(10)
  })

  it("says what cannot be sent, and that it was closed", () => {
    const closed = new MemoryVaultSync({ filename })
    closed.close()
    expect(caught(() => closed.scoped({ user: "alice" }).stats())).toMatchObject({
      _tag: "SyncError",
      reason: "closed"
    })
    const odd: { text: string } = Object.assign(() => "", { text: "x" })
    expect(caught(() => vault.scoped({ user: "alice" }).save(odd))).toMatchObject({ reason: "arguments" })
    using nowhere = new MemoryVaultSync({ filename: "/nowhere/at/all/vault.db" })
    expect(caught(() => nowhere.scoped({ user: "alice" }).stats())).toMatchObject({
      _tag: "StorageError",
      reason: "open"
    })
  })

  it("refuses to wait for itself in the worker that answers it", async () => {
    const module = new URL("../src/internal/serveCalls.ts", import.meta.url).href
    const facade = new URL("../src/Sync.ts", import.meta.url).href
    const worker = new Worker(
      `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(facade)}) })
        .then(({ MemoryVaultSync }) => {
          try { new MemoryVaultSync({ filename: ":memory:" }).scoped({ user: "a" }).stats() }
          catch (error) { require("node:worker_threads").parentPort.postMessage(error.reason) }
        })`,
      { eval: true, workerData: { module }, execArgv: ["-C", "@sennit/source"] }
    )
    const [reason]: Array<unknown> = await once(worker, "message")
    await worker.terminate()
    expect(reason).toBe("nested")
  })
})
