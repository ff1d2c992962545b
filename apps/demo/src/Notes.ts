/** What the assistant remembers of the person, as the page shows it. */
import { Memory, type MemoryScope, MemoryVault } from "@sennit/memory-vault"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { MemorySummary, StorageFailed } from "./Api.ts"

/** The most that the page lists. */
const LISTED = 200

export class Notes extends Context.Tag("@sennit/demo/Notes")<Notes, {
  /** The newest memories. */
  readonly list: Effect.Effect<ReadonlyArray<MemorySummary>, StorageFailed>
  /** Forgetting what is not there does nothing. */
  readonly forget: (id: string) => Effect.Effect<void, StorageFailed>
}>() {}

const summary = (memory: Memory.Memory) =>
  new MemorySummary({
    id: memory.id,
    text: memory.text,
    type: memory.type,
    savedAt: DateTime.toEpochMillis(memory.createdAt)
  })

const failed = (error: { readonly message: string }) => new StorageFailed({ detail: error.message })

export const layer = (scope: MemoryScope.MemoryScope): Layer.Layer<Notes, never, MemoryVault.MemoryVault> =>
  Layer.effect(
    Notes,
    Effect.map(MemoryVault.MemoryVault, (vault) => {
      const memory = vault.scoped(scope)
      return Notes.of({
        list: memory.list().pipe(
          Stream.take(LISTED),
          Stream.map(summary),
          Stream.runCollect,
          Effect.map((chunk) => [...chunk]),
          Effect.mapError(failed)
        ),
        forget: (id) =>
          Schema.is(Memory.MemoryId)(id) ? Effect.asVoid(Effect.mapError(memory.forget(id), failed)) : Effect.void
      })
    })
  )
