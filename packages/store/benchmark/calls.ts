// @effect-diagnostics asyncFunction:off the harness speaks promises
/** What a call costs that touches no disk and no network, in microseconds: the ratio is against one of them. */
import { Memory } from "@sennit/store"
import { createStore } from "@sennit/store/Sync"
import { Effect } from "effect"
import { performance } from "node:perf_hooks"
import type { Sample, Workload } from "./main.ts"

const keys = Array.from({ length: 4000 }, (_, i) => `object-${i}`)
const kibibyte = new Uint8Array(1024).fill(7)

const microsEach = async (count: number, work: () => Promise<void> | void): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const begin = performance.now()
  await work()
  const value = (performance.now() - begin) * 1000 / count
  const { system, user } = process.cpuUsage(cpu)
  return { value, cpuMs: (system + user) / 1000 }
}

const check = ({ length }: Uint8Array): void => {
  if (length !== kibibyte.length) throw new Error("wrong result")
}

const one = { value: 1, cpuMs: 0 }

export const workloads: ReadonlyArray<Workload> = [
  {
    id: "sync.call",
    unit: "µs",
    peerName: "one microsecond",
    better: "lower",
    target: 40,
    open: async () => {
      const store = createStore({ driver: "memory" })
      for (const key of keys) store.write(key, kibibyte)
      return {
        ours: () =>
          microsEach(keys.length, () => {
            for (const key of keys) check(store.readBytes(key))
          }),
        peer: async () => one,
        close: async () => store.close()
      }
    }
  },
  {
    id: "kernel.memory.get",
    unit: "µs above a Map",
    peerName: "one microsecond",
    better: "lower",
    target: 8,
    open: async () => {
      const store = Effect.runSync(Memory.make())
      const map = new Map(keys.map((key) => [key, kibibyte.slice()]))
      for (const key of keys) Effect.runSync(store.write(key, kibibyte))
      const each = <E>(read: (key: string) => Effect.Effect<Uint8Array, E>) => {
        const all = Effect.forEach(keys, (key) => Effect.map(read(key), check), { discard: true })
        return () => microsEach(keys.length, () => Effect.runPromise(all))
      }
      const ours = each(store.readBytes)
      const theirs = each((key) => Effect.sync(() => map.get(key)?.slice() ?? new Uint8Array(0)))
      return {
        ours: async () => {
          const [own, bare] = [await ours(), await theirs()]
          return { value: own.value - bare.value, cpuMs: own.cpuMs }
        },
        peer: async () => one,
        close: async () => {}
      }
    }
  }
]
