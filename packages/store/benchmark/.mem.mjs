const { Memory } = await import("@sennit/store")
const E = (await import("effect")).Effect
const store = E.runSync(Memory.make())
E.runSync(store.write("object-7", new Uint8Array(1024)))
const N = 200000
const t = process.cpuUsage()
await E.runPromise(E.replicateEffect(store.readBytes("object-7"), N, { discard: true }))
const u = process.cpuUsage(t)
console.log("cpu µs/get", (u.user + u.system) / N)
