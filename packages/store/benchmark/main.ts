/** Workloads of @sennit/store. */
import { Memory } from "@sennit/store"
import { Effect } from "effect"
import { syncCall } from "./calls.ts"
import { localWorkloads } from "./local.ts"
import { s3Workloads } from "./s3.ts"
import { sftpWorkloads } from "./sftp.ts"
import { kibibyte, measured, requireThat } from "./workload.ts"
import type { Workload } from "./workload.ts"

const keys = Array.from({ length: 4000 }, (_, i) => `object-${i}`)
const rounds = 5

const each = <E>(read: (key: string) => Effect.Effect<Uint8Array, E>) => {
  const get = (key: string) => Effect.map(read(key), ({ length }) => requireThat(length === 1024, key))
  const once = Effect.forEach(keys, get, { discard: true })
  return () =>
    measured(
      () => Effect.runPromise(Effect.replicateEffect(once, rounds, { discard: true })),
      (_, cpuMs) => cpuMs * 1000 / keys.length / rounds
    )
}

/** What a get costs more than one that is nothing but a Map's, beside one microsecond. */
const memoryGet: Workload = {
  id: "kernel.memory.get",
  unit: "µs CPU/get over a Map's",
  peerName: "1 µs",
  better: "lower",
  target: 8,
  open: () => {
    const store = Effect.runSync(Memory.make())
    const map = new Map<string, Uint8Array>()
    for (const key of keys) {
      Effect.runSync(store.write(key, kibibyte))
      map.set(key, kibibyte.slice())
    }
    const fromMap = (key: string) =>
      Effect.suspend(() => {
        const bytes = map.get(key)
        return bytes === undefined ? Effect.fail("absent") : Effect.succeed(bytes.slice())
      })
    const [ours, bare] = [each(store.readBytes), each(fromMap)]
    return Promise.resolve({
      ours: async () => {
        const { value } = await bare()
        const sample = await ours()
        return { ...sample, value: sample.value - value }
      },
      peer: () => Promise.resolve({ value: 1, cpuMs: 0 }),
      close: () => Promise.resolve()
    })
  }
}

const workloads: ReadonlyArray<Workload> = [...localWorkloads, memoryGet, syncCall, ...s3Workloads, ...sftpWorkloads]

export default workloads
