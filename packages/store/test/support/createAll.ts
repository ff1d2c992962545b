/** Creates 300 keys in a store that others create the same keys in, and prints those that it won. */
import { Local } from "@sennit/store"
import { Console, Effect } from "effect"

const [root = "", name = ""] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const store = yield* Local.make({ root })
  const won = yield* Effect.filter(
    Array.from({ length: 300 }, (_, i) => `folder-${i % 7}/${i}`),
    (key) =>
      store.write(key, `${name} `.repeat(500)).pipe(
        Effect.as(true),
        Effect.catchTag("AlreadyExists", () => Effect.succeed(false))
      ),
    { concurrency: 8 }
  )
  yield* Console.log(won.join("\n"))
}).pipe(Effect.scoped)

await Effect.runPromise(program)
