/** Replaces a few objects again and again, and prints a line for each, until it is killed. */
import { Local } from "@sennit/store"
import { Console, Effect, Stream } from "effect"

const [root = ""] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const store = yield* Local.make({ root })
  const one = (round: number) => {
    const part = new Uint8Array(50_000).fill(round % 251)
    const body = Stream.make(part, part, part, part)
    return Effect.zipRight(store.write(`folder/${round % 3}`, body, { mode: "overwrite" }), Console.log(round))
  }
  yield* Effect.iterate(0, { while: () => true, body: (round) => Effect.as(one(round), round + 1) })
}).pipe(Effect.scoped)

await Effect.runPromise(program)
