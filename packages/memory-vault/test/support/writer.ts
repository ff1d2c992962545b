// @effect-diagnostics strictEffectProvide:off this is an entry point
// A process of its own that writes until it is killed or done; a line for everything that was confirmed. `mixed` also
// forgets, updates and compresses; `open` only opens, which migrates. With a key the file is encrypted.
import { MemoryScope, MemoryVault } from "@sennit/memory-vault"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Effect, Redacted } from "effect"

const [filename = "", name = "", count = "0", mode = "", key = ""] = process.argv.slice(2)
const masterKey = key === "" ? undefined : Redacted.make<Uint8Array>(Buffer.from(key, "hex"))
const tell = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const mix = (memory: UserMemory, i: number) =>
  Effect.gen(function*() {
    const { memories: [extra] } = yield* memory.save({
      text: `Passing ${i} of ${name}.`,
      sessionId: `${name} ${i >> 4}`
    })
    if (extra === undefined) return
    if (i % 3 === 0) yield* memory.update(extra.id, { version: 1, text: `Passing ${i} of ${name} was rewritten.` })
    if (i % 5 < 2) yield* memory.forget(extra.id)
    if (i % 8 === 7) yield* memory.compress()
    yield* memory.save({
      text: `I live in Town${"abcdefgh".charAt(i % 8)}.`,
      speaker: name,
      sessionId: `${name} ${i >> 4}`
    })
  })

const main = Effect.gen(function*() {
  yield* tell("begun")
  yield* Effect.gen(function*() {
    const vault = yield* MemoryVault.MemoryVault
    const memory = vault.scoped(yield* MemoryScope.user("shared"))
    if (mode === "open") yield* tell("open")
    for (let i = 0; i < Number(count); i++) {
      const text = `Entry ${i} of writer ${name} tells of harbour number${i} and lighthouse${name}.`
      yield* memory.save({ text, sessionId: `${name} ${i >> 4}`, idempotencyKey: `${name} ${i}` })
      yield* tell(text)
      if (mode === "mixed") yield* mix(memory, i)
    }
  }).pipe(Effect.provide(MemoryVault.layerSqlite({ filename, masterKey })))
})

await Effect.runPromise(main)
