/**
 * Fills the `Memory` port from one scope of `@sennit/memory-vault`: the agent remembers and recalls for exactly the
 * person of that scope.
 *
 * @since 0.1.0
 */
import { Memory as VaultNote } from "@sennit/memory-vault"
import type { MemoryVault } from "@sennit/memory-vault"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MemoryError } from "../AgentError.ts"
import { Memory } from "../Memory.ts"

const toMemoryError = (error: { readonly _tag: string; readonly message: string }): MemoryError =>
  new MemoryError({
    reason: error._tag === "StorageError" ? "Unavailable" : "Rejected",
    detail: error.message,
    cause: error
  })

const asId = Schema.decodeOption(VaultNote.MemoryId)

/** How many memories one recall gives the model at most. */
const topK = 8
const defaultTokenBudget = 1000

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (memory: MemoryVault.UserMemory): typeof Memory.Service => ({
  remember: ({ text }) =>
    Effect.flatMap(Effect.mapError(memory.save(text), toMemoryError), ({ memories: [first] }) =>
      first === undefined
        ? Effect.fail(new MemoryError({ reason: "Rejected", detail: "The text is empty. Nothing was stored." }))
        : Effect.succeed({ id: first.id, text })),
  forget: (id) =>
    Option.match(asId(id), {
      onNone: () => Effect.succeed(false),
      onSome: (known) => Effect.mapError(memory.forget(known), toMemoryError)
    }),
  recall: ({ query, tokenBudget = defaultTokenBudget }) =>
    memory.recall({ query, tokenBudget, topK }).pipe(
      Effect.map(({ memories }) => ({
        notes: memories.map(({ memory: { createdAt, id, text }, score }) => ({ id, text, savedAt: createdAt, score }))
      })),
      Effect.mapError(toMemoryError)
    )
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (memory: MemoryVault.UserMemory): Layer.Layer<Memory> => Layer.succeed(Memory, make(memory))
