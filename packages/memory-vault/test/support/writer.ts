// @effect-diagnostics strictEffectProvide:off this is an entry point
// A process of its own that saves, and forgets every fifth, until it is killed or done; a line per finished save.
import { MemoryScope, MemoryVault } from "@sennit/memory-vault"
import { Effect } from "effect"

const [filename = "", name = "", count = "0", forget = ""] = process.argv.slice(2)

const main = Effect.gen(function*() {
  const vault = yield* MemoryVault.MemoryVault
  const memory = vault.scoped(yield* MemoryScope.user("shared"))
  for (let i = 0; i < Number(count); i++) {
    const text = `Entry ${i} of writer ${name} tells of harbour number${i} and lighthouse${name}.`
    const { memories: [saved] } = yield* memory.save({ text, sessionId: name })
    if (forget === "forget" && i % 5 === 0 && saved !== undefined) yield* memory.forget(saved.id)
    else yield* Effect.sync(() => process.stdout.write(`${text}\n`))
  }
})

await Effect.runPromise(Effect.provide(main, MemoryVault.layerSqlite({ filename })))
