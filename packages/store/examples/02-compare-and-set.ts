import { Local } from "@sennit/store"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"

const root = await Fs.mkdtemp(Path.join(Os.tmpdir(), "sennit-example-"))

/** Eight workers count to 80 together in one object, and lose no step. */
const program = Effect.gen(function*() {
  const store = yield* Local.make({ root })
  yield* store.write("count", "0")

  const increment = Effect.gen(function*() {
    const { etag } = yield* store.stat("count")
    const count = Number(yield* store.readText("count", { ifMatch: etag }))
    yield* store.write("count", `${count + 1}`, { mode: { ifMatch: etag } })
  }).pipe(Effect.retry({ while: (error) => error._tag === "PreconditionFailed" }))

  const worker = Effect.replicateEffect(increment, 10, { discard: true })
  yield* Effect.replicateEffect(worker, 8, { concurrency: 8, discard: true })
  console.log(yield* store.readText("count")) // => 80
}).pipe(Effect.scoped)

await Effect.runPromise(program)
await Fs.rm(root, { recursive: true })
