/**
 * Finds the passages of attached documents that fit a question, with where they
 * stand.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { FilesError } from "../AgentError.ts"
import type { AgentTool } from "../AgentTool.ts"
import { make } from "../AgentTool.ts"
import { Documents } from "../Documents.ts"
import { Files } from "../Files.ts"

const maxFiles = 20
const defaultLimit = 5

/**
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  query: Schema.NonEmptyTrimmedString.annotations({ description: "What is wanted, in the words of the question" }),
  files: Schema.optional(Schema.Array(Schema.String).pipe(Schema.minItems(1), Schema.maxItems(maxFiles))).annotations({
    description: `Names of the documents to search. Default: all, when there are at most ${maxFiles}`
  }),
  limit: Schema.optional(Schema.Int.pipe(Schema.between(1, 20))).annotations({ description: "Default: 5 passages" })
})

/**
 * The passages that fit best, best first. `text` stands from character `start` to
 * before `end` of the file's text; `page` is that of a PDF.
 *
 * @since 0.1.0
 * @category models
 */
export const Passages = Schema.Struct({
  passages: Schema.Array(Schema.Struct({
    file: Schema.String,
    page: Schema.optional(Schema.Number),
    start: Schema.Number,
    end: Schema.Number,
    score: Schema.Number,
    text: Schema.String
  }))
})

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool<Files | Documents> = make("search_documents", {
  description:
    "Finds passages of the attached documents (PDF, text, HTML, Markdown) that fit a question. Answer from these " +
    "passages only, and cite file and page.",
  parameters: Parameters,
  success: Passages,
  annotations: { openWorld: true },
  timeout: "1 minute",
  maxResultChars: 40_000,
  handler: Effect.fn("SearchDocuments.search")(function*({ files, limit = defaultLimit, query }) {
    const documents = yield* Documents
    const names = files ?? (yield* allNames)
    const passages = yield* documents.search(names, query, limit)
    return {
      passages: passages.map(({ end, file, page, score, start, text }) =>
        page === undefined ? { file, start, end, score, text } : { file, page, start, end, score, text }
      )
    }
  })
})

/** The names of all documents, when they are few enough to be searched at once. */
const allNames = Effect.flatMap(Files, ({ list }) =>
  list.pipe(
    Stream.filter(({ type }) => isText(type)),
    Stream.take(maxFiles + 1),
    Stream.runCollect,
    Effect.flatMap((infos) =>
      Chunk.size(infos) <= maxFiles
        ? Effect.succeed(Array.from(infos, ({ name }) => name))
        : Effect.fail(
          new FilesError({
            reason: "OutOfRange",
            name: "",
            detail: `There are more than ${maxFiles} documents. Name those to search in files.`
          })
        )
    )
  ))

const isText = (type: string): boolean => /^text\/|^application\/(?:pdf|json|xml)\b/.test(type)
