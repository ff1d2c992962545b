import { createMemoryVault } from "@sennit/memory-vault/Promise"

await using vault = createMemoryVault({ filename: ":memory:" })
const alice = vault.scoped({ tenant: "acme", user: "alice" })

await alice.save({ text: "My sister Ana lives in Porto.", sessionId: "monday" })
await alice.save({ text: "She plays the cello.", sessionId: "monday" })

await alice.save({ text: "The weather was grey.", sessionId: "tuesday" })

const { memories } = await alice.recall({ query: "Who is Ana?", explain: true })
for (const { memory } of memories) {
  console.log(memory.text)
}
// => My sister Ana lives in Porto.
// => She plays the cello.

// The second memory does not name Ana: the turn before it does.
console.log((memories[1]?.signals?.near ?? 0) > 0) // => true

const refused = await vault.scoped({ user: "" }).save("x").catch((error: Error) => error.message.slice(0, 28))
console.log(refused) // => The user identifier is empty
