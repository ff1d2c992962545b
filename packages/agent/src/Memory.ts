/**
 * The port through which tools keep and find notes. Whoever provides it decides
 * whose notes they are.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryError } from "./AgentError.ts"
import { rankNotes } from "./internal/rankNotes.ts"

/**
 * A note that was found. A higher `score` fits better; scores of different
 * queries do not compare.
 *
 * @since 0.1.0
 * @category models
 */
export interface Note {
  readonly id: string
  readonly text: string
  readonly savedAt: DateTime.Utc
  readonly score: number
}

/**
 * `recall` gives the best note first; `tokenBudget` bounds the length of all
 * notes together (a token is about four characters). `forget` says whether
 * there was such a note.
 *
 * @since 0.1.0
 * @category services
 */
export class Memory extends Context.Tag("@sennit/agent/Memory")<Memory, {
  readonly remember: (note: { readonly text: string }) => Effect.Effect<
    { readonly id: string; readonly text: string },
    MemoryError
  >
  readonly recall: (query: { readonly query: string; readonly tokenBudget?: number }) => Effect.Effect<
    { readonly notes: ReadonlyArray<Note> },
    MemoryError
  >
  readonly forget: (id: string) => Effect.Effect<boolean, MemoryError>
}>() {}

const maxNotes = 10_000
const maxNoteChars = 10_000
const defaultTokenBudget = 1000

/**
 * Notes in memory, found by the words they share with the query: for tests and
 * small programs. Holds at most 10,000 notes of at most 10,000 characters.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<Memory> = Layer.sync(Memory, () => {
  let made = 0
  const notes: Array<{ readonly id: string; readonly text: string; readonly savedAt: DateTime.Utc }> = []
  return Memory.of({
    remember: ({ text }) =>
      Effect.gen(function*() {
        if (text.length > maxNoteChars || notes.length >= maxNotes) {
          const detail = text.length > maxNoteChars
            ? `A note has at most ${maxNoteChars} characters and this one has ${text.length}. Nothing was stored.`
            : `There are ${maxNotes} notes, which is the limit. Nothing was stored.`
          return yield* new MemoryError({ reason: "TooLarge", detail })
        }
        const note = { id: `note-${++made}`, text, savedAt: yield* DateTime.now }
        notes.push(note)
        return { id: note.id, text }
      }),
    forget: (id) =>
      Effect.sync(() => {
        const index = notes.findIndex((note) => note.id === id)
        if (index >= 0) notes.splice(index, 1)
        return index >= 0
      }),
    recall: ({ query, tokenBudget = defaultTokenBudget }) =>
      Effect.sync(() => {
        let left = tokenBudget * 4
        const found = rankNotes(query, notes, (note) => note.text).filter(({ item }) => (left -= item.text.length) >= 0)
        return { notes: found.map(({ item: { id, savedAt, text }, score }) => ({ id, text, savedAt, score })) }
      })
  })
})
