// @effect-diagnostics asyncFunction:off nodeBuiltinImport:off a benchmark is a plain program
import { MemoryScope, MemoryVault } from "@sennit/memory-vault"
import { Effect, ManagedRuntime } from "effect"
import type { Redacted } from "effect"
import { mkdtemp } from "node:fs/promises"
import os from "node:os"
import path from "node:path"

export interface Sample {
  readonly value: number
  readonly cpuMs: number
}

export interface Workload {
  readonly id: string
  readonly unit: string
  readonly peerName: string
  readonly better: "lower" | "higher"
  readonly target: number
  readonly open: () => Promise<{
    readonly ours: () => Promise<Sample>
    readonly peer: () => Promise<Sample>
    readonly close: () => Promise<void>
  }>
}

export const clock = async (count: number, work: () => Promise<void>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const wall = performance.now() - start
  const { system, user } = process.cpuUsage(cpu)
  return { value: 1_000 * wall / count, cpuMs: (system + user) / 1_000 }
}

/** The value is a share of evidence found; the time it took counts as well. */
export const grade = async (work: () => Promise<number>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const value = await work()
  const { system, user } = process.cpuUsage(cpu)
  return { value, cpuMs: (system + user) / 1_000 }
}

export const expectThat = (holds: boolean, what: string) => {
  if (!holds) throw new Error(`wrong result: ${what}`)
}

export const makeFolder = () => mkdtemp(path.join(os.tmpdir(), "sennit-vault-"))

/** The vault through its Effect interface, in a file, which is encrypted where there is a key. */
export const openFile = async (folder: string, masterKey?: Redacted.Redacted<Uint8Array>) => {
  const runtime = ManagedRuntime.make(MemoryVault.layerSqlite({ filename: path.join(folder, "vault.db"), masterKey }))
  const memory = await runtime.runPromise(Effect.gen(function*() {
    const vault = yield* MemoryVault.MemoryVault
    return vault.scoped(yield* MemoryScope.user("bench"))
  }))
  return { runtime, memory }
}

/** A row against a promise: the peer is the promised figure, so the ratio is how much of it is kept. */
export const promise = (
  { id, measure, promised, unit, better }: {
    readonly id: string
    readonly unit: string
    readonly better: "lower" | "higher"
    readonly promised: number
    readonly measure: () => Promise<{ readonly ours: () => Promise<Sample>; readonly close: () => Promise<void> }>
  }
): Workload => ({
  id,
  unit,
  peerName: `the promise of ${promised}`,
  better,
  target: 1,
  open: async () => {
    const { close, ours } = await measure()
    return { ours, peer: () => Promise.resolve({ value: promised, cpuMs: 0 }), close }
  }
})
