/** What a call that blocks its thread costs: the ratio is against one microsecond. */
import { createStore } from "@sennit/store/Sync"
import { kibibyte, measured, requireThat } from "./workload.ts"
import type { Workload } from "./workload.ts"

const keys = Array.from({ length: 4000 }, (_, i) => `object-${i}`)

export const syncCall: Workload = {
  id: "sync.call",
  unit: "µs",
  peerName: "1 µs",
  better: "lower",
  target: 40,
  open: () => {
    const store = createStore({ driver: "memory" })
    for (const key of keys) store.write(key, kibibyte)
    const readAll = () => {
      for (const key of keys) requireThat(store.readBytes(key).length === 1024, key)
      return Promise.resolve()
    }
    return Promise.resolve({
      ours: () => measured(readAll, (seconds) => seconds * 1e6 / keys.length),
      peer: () => Promise.resolve({ value: 1, cpuMs: 0 }),
      close: () => {
        store.close()
        return Promise.resolve()
      }
    })
  }
}
