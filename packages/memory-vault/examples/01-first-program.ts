import { MemoryScope, MemoryVault } from "@sennit/memory-vault"
import { Effect } from "effect"

const program = Effect.gen(function*() {
  const vault = yield* MemoryVault.MemoryVault
  const alice = vault.scoped(yield* MemoryScope.user("alice"))

  yield* alice.save({ text: "I moved to Lisbon in May.", eventTime: "2026-05-20T10:00:00Z", speaker: "Alice" })
  yield* alice.save({ text: "Please always answer in Portuguese.", eventTime: "2026-05-21T10:00:00Z" })

  const { memories, promptBlock } = yield* alice.recall({ query: "When did I move?", tokenBudget: 200 })
  console.log(memories.map(({ memory }) => memory.text).join(" | ")) // => I moved to Lisbon in May.
  console.log(promptBlock.split("\n")[0]) // => <memory>

  const bob = vault.scoped(yield* MemoryScope.user("bob"))
  console.log((yield* bob.recall("When did I move?")).memories.length) // => 0

  const receipt = yield* alice.forgetAll({ confirm: true })
  console.log(`${receipt.memories} memories erased`) // => 2 memories erased
})

await Effect.runPromise(Effect.provide(program, MemoryVault.layerMemory))
