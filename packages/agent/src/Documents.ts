/**
 * The text of documents: PDF, HTML, text, CSV, JSON and Markdown, and what is in
 * tables, read in worker threads, so that nobody waits for somebody else's file.
 *
 * @since 0.1.0
 */
// @effect-diagnostics nodeBuiltinImport:off -- the hash of a file is its name in the cache
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { webcrypto } from "node:crypto"
import { FilesError, TableError } from "./AgentError.ts"
import type { Files } from "./Files.ts"
import { answerTable } from "./internal/answerTable.ts"
import type { DocumentJob, DocumentText } from "./internal/documentWorker.ts"
import { makeIndexes } from "./internal/indexPassages.ts"
import { makeRecent } from "./internal/makeRecent.ts"
import type { ThreadFailure } from "./internal/makeThreads.ts"
import { makeThreads } from "./internal/makeThreads.ts"
import {
  binaryKind,
  charsetOf,
  decodeText,
  isPdf,
  notBinary,
  notText,
  readableAsText,
  readBytes
} from "./internal/readText.ts"
import type { TableJob, TableReply } from "./internal/tableWorker.ts"
import { notTextName } from "./internal/tableWorker.ts"
import type { Answer, Description, Parameters } from "./tools/QueryTable.ts"

/**
 * A document as text. HTML becomes Markdown, the others stay as they are written.
 * `pageStarts` are the offsets in `text` at which the pages of a PDF begin; it is
 * empty where there are no pages.
 *
 * @since 0.1.0
 * @category models
 */
export interface Document {
  readonly name: string
  readonly type: string
  readonly title: string
  readonly text: string
  readonly pageStarts: ReadonlyArray<number>
  /** SHA-256 of the file, in hexadecimal. */
  readonly digest: string
}

/**
 * A part of a document: `text` stands from `start` to before `end` in the text of
 * `file`, in characters. `page` counts from 1 and is there for PDF. Scores of
 * different searches do not compare.
 *
 * @since 0.1.0
 * @category models
 */
export interface Citation {
  readonly file: string
  readonly page: number | undefined
  readonly start: number
  readonly end: number
  readonly text: string
  readonly score: number
}

/**
 * `read` gives the whole text of a file, `search` the passages of some files that
 * fit a question best (BM25), `queryTable` what the tool `query_table` answers,
 * `htmlToMarkdown` a page as Markdown without scripts and images. What was read before is kept by the contents of the file, so a file that
 * changed is never answered from the old one.
 *
 * @since 0.1.0
 * @category services
 */
export class Documents extends Context.Tag("@sennit/agent/Documents")<Documents, {
  readonly read: (name: string) => Effect.Effect<Document, FilesError, Files>
  readonly search: (
    names: ReadonlyArray<string>,
    query: string,
    limit: number
  ) => Effect.Effect<ReadonlyArray<Citation>, FilesError, Files>
  readonly queryTable: (
    question: typeof Parameters.Type
  ) => Effect.Effect<typeof Answer.Type | typeof Description.Type, FilesError | TableError, Files>
  readonly htmlToMarkdown: (
    name: string,
    html: Uint8Array,
    charset: string
  ) => Effect.Effect<{ readonly title: string; readonly text: string }, FilesError>
}>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many documents are read at the same time, and how many large tables. Default: 2. */
  readonly threads?: number
  /** How long reading one document or answering one question about a table may take. Default: 20 seconds. */
  readonly timeout?: Duration.DurationInput
  /** The heap of a thread, in megabytes. Default: 256. */
  readonly heapMegabytes?: number
  /** How many characters of text a document may have. Default: 10,000,000. */
  readonly maxChars?: number
  /** How many characters of all documents together are kept. Default: 20,000,000. */
  readonly keptChars?: number
}

/** Shorter texts are decoded on the spot: that is quicker than to hand them over. */
const inlineBytes = 1024 * 1024
/** Likewise shorter tables, of which every cell is read: so many bytes take a few milliseconds. */
const inlineTableBytes = 64 * 1024

/**
 * Threads start with the first document that needs one and end with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<typeof Documents.Service, never, Scope> =>
  Effect.gen(function*() {
    const { heapMegabytes = 256, keptChars = 20_000_000, maxChars = 10_000_000, threads = 2, timeout = "20 seconds" } =
      options
    const workers = yield* makeThreads<DocumentJob, DocumentText>({
      module: moduleOf("documentWorker"),
      size: threads,
      heapMegabytes,
      timeout
    })
    const tableWorkers = yield* makeThreads<TableJob, TableReply>({
      module: moduleOf("tableWorker"),
      size: threads,
      heapMegabytes,
      timeout
    })
    const recent = makeRecent<DocumentText>(keptChars, ({ text }) => text.length)
    const indexes = makeIndexes(keptChars)

    const extract = (name: string, format: DocumentJob["format"], bytes: Uint8Array, charset: string) => {
      // A copy, because its buffer changes hands.
      const copy = new Uint8Array(bytes)
      return workers.run({ format, bytes: copy, charset, maxChars }, [copy.buffer]).pipe(
        Effect.mapError((failure) =>
          format === "text" && failure.name === "TypeError"
            ? notText(name, bytes)
            : toFilesError(name, format, failure)
        )
      )
    }
    const read = Effect.fn("Documents.read")(function*(name: string) {
      const { bytes, info } = yield* readBytes(name)
      const format = formatOf(info.type, bytes)
      const kind = format === "pdf" ? undefined : binaryKind(bytes)
      if (kind !== undefined) return yield* notBinary(name, kind, "PDF, text, CSV, HTML, Markdown and JSON")
      const digest = yield* digestOf(bytes)
      const found = format === "text" && bytes.byteLength <= inlineBytes
        ? { title: "", text: yield* decodeText(name, bytes), pageStarts: [] }
        : yield* recent.get(`${format} ${digest}`, extract(name, format, bytes, charsetOf(bytes)))
      return { name, type: info.type, digest, ...found }
    })
    const queryTable = Effect.fn("Documents.queryTable")(function*(question: typeof Parameters.Type) {
      const { file } = question
      const { bytes } = yield* readBytes(file)
      if (bytes.byteLength <= inlineTableBytes) return yield* answerTable(question, yield* decodeText(file, bytes))
      const kind = binaryKind(bytes)
      if (kind !== undefined) return yield* notBinary(file, kind, readableAsText)
      const copy = new Uint8Array(bytes)
      const reply = yield* tableWorkers.run({ question, bytes: copy, charset: charsetOf(bytes) }, [copy.buffer]).pipe(
        Effect.mapError((failure) =>
          failure.name === notTextName ? notText(file, bytes) : toFilesError(file, "table", failure)
        )
      )
      return "answer" in reply ? reply.answer : yield* new TableError(reply.refused)
    })
    return {
      read,
      queryTable,
      search: Effect.fn("Documents.search")(function*(names, query, limit) {
        const documents = yield* Effect.forEach(names, read, { concurrency: threads })
        return yield* indexes.search(documents, query, limit)
      }),
      htmlToMarkdown: (name, html, charset) => extract(name, "html", html, charset)
    }
  })

const moduleOf = (worker: string): string => import.meta.url.replace(/Documents(?=\.[jt]s$)/, `internal/${worker}`)

/** Worked out in Node's own threads: a large file would block the event loop for a tenth of a second. */
const digestOf = (bytes: Uint8Array): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => webcrypto.subtle.digest("SHA-256", bytes)),
    (hash) => Encoding.encodeHex(new Uint8Array(hash))
  )

const formatOf = (type: string, bytes: Uint8Array): DocumentJob["format"] => {
  if (isPdf(bytes)) return "pdf"
  if (/^(?:text\/html|application\/xhtml\+xml)\b/.test(type)) return "html"
  return "text"
}

const toFilesError = (name: string, format: string, failure: ThreadFailure): FilesError => {
  const error = (reason: FilesError["reason"], detail: string) => new FilesError({ reason, name, detail })
  switch (failure.reason) {
    case "timeout":
      return error("TooSlow", "Reading it took too long and was stopped. It is too complicated, or made to be so.")
    case "memory":
      return error("TooLarge", "Reading it needs more memory than allowed. It is too large, or made to be so.")
    case "missing": {
      const peer = format === "pdf" ? "pdf-parse" : "turndown"
      return error("NoReader", `Reading such a file needs the package ${peer}: npm install ${peer}`)
    }
    case "crashed":
      return error("Damaged", "Reading it ended the thread that read it.")
    case "failed":
      return failure.name === "TooLong"
        ? error("TooLarge", `${failure.message}. Split it and attach the parts.`)
        : failure.name === "PasswordException"
        ? error("Locked", "It asks for a password. Save it without one and attach it again.")
        : /A buffer of|Array buffer allocation/.test(failure.message)
        ? error("TooLarge", "It unpacks to more than allowed. It is too large, or made to be so.")
        : error("Damaged", `It cannot be read (${failure.message}). Save it again and attach it.`)
  }
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Documents> => Layer.scoped(Documents, make(options))
