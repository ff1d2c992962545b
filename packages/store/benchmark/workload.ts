// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off the peers are node and promises
/** What every row is made of; the harness of the workspace interleaves the two sides and compares their medians. */
import { performance } from "node:perf_hooks"

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

export interface Sample {
  readonly value: number
  readonly cpuMs: number
}

/** Does the work once and measures it. */
export const measured = async (
  work: () => Promise<void>,
  valueOf: (seconds: number, cpuMs: number) => number
): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const begin = performance.now()
  await work()
  const seconds = (performance.now() - begin) / 1000
  const { system, user } = process.cpuUsage(cpu)
  const cpuMs = (system + user) / 1000
  return { value: valueOf(seconds, cpuMs), cpuMs }
}

/**
 * Runs the work twice and measures the second time: the other side has run meanwhile, and compared is how both do in a
 * process that runs on.
 */
export const timed = async (work: () => Promise<void>, valueOf: (seconds: number) => number): Promise<Sample> => {
  await work()
  return measured(work, valueOf)
}

export const perSecond = (count: number) => (seconds: number) => count / seconds

export const inFlight = 16

export const kibibyte = new Uint8Array(1024).fill(7)

export const inLanes = async (keys: ReadonlyArray<string>, work: (key: string) => Promise<void>): Promise<void> => {
  const queue = keys.values()
  const lane = async () => {
    for (const key of queue) await work(key)
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
}

export const requireThat = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`wrong result: ${what}`)
}
