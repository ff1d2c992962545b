import { Memory, Store } from "@sennit/store"
import { Effect, Stream } from "effect"

const program = Effect.gen(function*() {
  const store = yield* Store.Store

  const written = yield* store.write("notes/monday.txt", "buy rope")
  console.log(`${written.key}: ${written.size} bytes`) // => notes/monday.txt: 8 bytes

  // The default mode is "create": nothing is replaced by accident.
  const again = yield* Effect.flip(store.write("notes/monday.txt", "buy twine"))
  console.log(again._tag) // => AlreadyExists

  yield* store.write("notes/monday.txt", "buy twine", { mode: "overwrite" })
  console.log(yield* store.readText("notes/monday.txt")) // => buy twine

  yield* Stream.runForEach(store.list("", { recursive: true }), (entry) =>
    Effect.sync(() => {
      console.log(entry.key) // => notes/monday.txt
    }))

  // A store that can only read has no other methods, in its type and at run time.
  const readOnly = store.only("read")
  console.log("write" in readOnly) // => false
})

await Effect.runPromise(program.pipe(Effect.provide(Memory.layer)))
