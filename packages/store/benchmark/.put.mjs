import fs from "node:fs"
const { Local } = await import("@sennit/store")
const { Effect: E, Scope } = await import("effect")
const dir = fs.mkdtempSync("/dev/shm/sp-")
const scope = E.runSync(Scope.make())
const store = await E.runPromise(Scope.extend(Local.make({ root: dir }), scope))
const N = 10000
for (
  const [name, f] of [["put", (i) => store.write("o" + i, new Uint8Array(1024), { mode: "overwrite" })], [
    "get",
    (i) => store.readBytes("o" + i)
  ]]
) {
  const t = process.cpuUsage(), b = performance.now()
  await E.runPromise(E.forEach(Array.from({ length: N }, (_, i) => i % 2000), f, { discard: true, concurrency: 16 }))
  const u = process.cpuUsage(t)
  console.log(name, "cpu µs/op", (u.user + u.system) / N, "wall", (performance.now() - b) * 1000 / N)
}
fs.rmSync(dir, { recursive: true })
