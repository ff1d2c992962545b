/** What the assistant remembers of the person, as the page shows it. */
import { Memory, type MemoryScope, MemoryVault } from "@sennit/memory-vault"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { MemoryRevision, MemorySummary } from "./Api.ts"
import { MemoryChanged, type StorageFailed } from "./ApiError.ts"
import { failed } from "./StorageProblem.ts"

/** The most that the page lists. */
const LISTED = 200
/** The most that a question recalls. */
const RECALLED = 20

export interface NotesQuery {
  /** What the memory is asked: the answer says why each memory is in it. Without it all are listed, newest first. */
  readonly question?: string | undefined
  /** Epoch milliseconds: what was so at this time. */
  readonly asOf?: number | undefined
}

export class Notes extends Context.Tag("@sennit/demo/Notes")<Notes, {
  readonly list: (query: NotesQuery) => Effect.Effect<ReadonlyArray<MemorySummary>, StorageFailed>
  /** Puts another text in the place of version `version`, which stays in the history. */
  readonly correct: (
    id: string,
    version: number,
    text: string
  ) => Effect.Effect<MemorySummary, MemoryChanged | StorageFailed>
  /** Every version, oldest first. */
  readonly history: (id: string) => Effect.Effect<ReadonlyArray<MemoryRevision>, StorageFailed>
  /** Forgetting what is not there does nothing. */
  readonly forget: (id: string) => Effect.Effect<void, StorageFailed>
}>() {}

const summary = (memory: Memory.Memory, why?: MemorySummary["why"]) =>
  new MemorySummary({
    id: memory.id,
    text: memory.text,
    type: memory.type,
    savedAt: DateTime.toEpochMillis(memory.createdAt),
    version: memory.version,
    validFrom: DateTime.toEpochMillis(memory.validFrom),
    validTo: memory.validTo === undefined ? null : DateTime.toEpochMillis(memory.validTo),
    ...(why === undefined ? {} : { why })
  })

const isSo = (at: number) => ({ validFrom, validTo }: MemorySummary) =>
  validFrom <= at && (validTo === null || at < validTo)

const decodeId = Schema.decodeUnknownOption(Memory.MemoryId)

const withId = <A, E>(
  id: string,
  use: (known: Memory.MemoryId) => Effect.Effect<A, E>,
  absent: () => Effect.Effect<A, E>
) => Option.match(decodeId(id), { onNone: absent, onSome: use })

const make = (memory: MemoryVault.UserMemory): Context.Tag.Service<Notes> => {
  const all = (asOf: number | undefined) =>
    memory.list().pipe(
      Stream.map((found) => summary(found)),
      Stream.filter(asOf === undefined ? () => true : isSo(asOf)),
      Stream.take(LISTED),
      Stream.runCollect,
      Effect.map((chunk) => [...chunk])
    )

  const recalled = (query: string, asOf: number | undefined) =>
    Effect.map(
      memory.recall({ query, asOf, topK: RECALLED, tokenBudget: 100_000, explain: true }),
      ({ memories }) =>
        memories.map(({ memory: found, score, signals = {} }) => {
          const parts = Object.entries(signals).flatMap(([name, share]) => share > 0 ? [{ name, share }] : [])
          return summary(found, { score, parts: parts.toSorted((a, b) => b.share - a.share) })
        })
    )

  return Notes.of({
    list: ({ asOf, question = "" }) =>
      Effect.mapError(question.trim() === "" ? all(asOf) : recalled(question, asOf), failed),
    correct: (id, version, text) =>
      withId<MemorySummary, MemoryChanged | StorageFailed>(
        id,
        (known) =>
          memory.update(known, { version, text }).pipe(
            Effect.map((changed) => summary(changed)),
            Effect.mapError((error) =>
              error._tag === "VersionConflict" || error._tag === "MemoryNotFound"
                ? new MemoryChanged({ id })
                : failed(error)
            )
          ),
        () => Effect.fail(new MemoryChanged({ id }))
      ),
    history: (id) =>
      withId<ReadonlyArray<MemoryRevision>, StorageFailed>(
        id,
        (known) =>
          memory.history(known).pipe(
            Effect.map((revisions) =>
              revisions.map(({ recordedAt, text, version }) =>
                new MemoryRevision({ version, text, recordedAt: DateTime.toEpochMillis(recordedAt) })
              )
            ),
            Effect.mapError(failed)
          ),
        () => Effect.succeed([])
      ),
    forget: (id) =>
      withId<void, StorageFailed>(
        id,
        (known) => Effect.asVoid(Effect.mapError(memory.forget(known), failed)),
        () => Effect.void
      )
  })
}

export const layer = (scope: MemoryScope.MemoryScope): Layer.Layer<Notes, never, MemoryVault.MemoryVault> =>
  Layer.effect(Notes, Effect.map(MemoryVault.MemoryVault, (vault) => make(vault.scoped(scope))))
