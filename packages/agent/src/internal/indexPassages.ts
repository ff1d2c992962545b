import * as Effect from "effect/Effect"
import type MiniSearch from "minisearch"
import { FilesError } from "../AgentError.ts"
import type { Citation, Document } from "../Documents.ts"
import { makeRecent } from "./makeRecent.ts"
import { contentWords } from "./rankNotes.ts"
import type { Passage } from "./splitPassages.ts"
import { splitPassages } from "./splitPassages.ts"

interface Entry extends Passage {
  readonly id: number
  /** Which of the documents that were indexed together. */
  readonly document: number
}

interface Index {
  readonly entries: ReadonlyArray<Entry>
  readonly chars: number
  readonly engine: MiniSearch<Entry>
}

/** So many passages are indexed before the event loop has its turn. */
const entriesAtOnce = 40

/** @internal Indexes of documents that are searched together, kept by what is in the documents. */
export const makeIndexes = (keptChars: number) => {
  const recent = makeRecent<Index>(keptChars, ({ chars }) => chars)
  return {
    search: (
      documents: ReadonlyArray<Document>,
      query: string,
      limit: number
    ): Effect.Effect<ReadonlyArray<Citation>, FilesError> => {
      const chars = documents.reduce((sum, { text }) => sum + text.length, 0)
      if (chars > keptChars) {
        const detail =
          `The documents have ${chars} characters together, and at most ${keptChars} can be searched at once.`
        return Effect.fail(new FilesError({ reason: "TooLarge", name: documents[0]?.name ?? "", detail }))
      }
      const key = documents.map(({ digest }) => digest).join(" ")
      return Effect.map(
        recent.get(key, build(documents, chars)),
        ({ engine, entries }) =>
          engine.search(query).slice(0, limit).map(({ id, score }): Citation => {
            const { document, end, page, start, text } = entries[id]!
            return { file: documents[document]!.name, page, start, end, text, score: Math.round(score * 1000) / 1000 }
          })
      )
    }
  }
}

const build = (documents: ReadonlyArray<Document>, chars: number): Effect.Effect<Index, FilesError> =>
  Effect.gen(function*() {
    const { default: Engine } = yield* Effect.tryPromise({
      try: () => import("minisearch"),
      catch: (cause) =>
        new FilesError({
          reason: "NoReader",
          name: documents[0]?.name ?? "",
          detail: "Searching documents needs the package minisearch: npm install minisearch",
          cause
        })
    })
    const entries: Array<Entry> = []
    documents.forEach(({ pageStarts, text }, document) => {
      for (const passage of splitPassages(text, pageStarts)) entries.push({ ...passage, id: entries.length, document })
    })
    const engine = new Engine<Entry>({
      fields: ["text"],
      tokenize: (text) => [...contentWords(text)],
      processTerm: (term) => term
    })
    yield* Effect.promise(() => engine.addAllAsync(entries, { chunkSize: entriesAtOnce }))
    return { engine, entries, chars }
  })
