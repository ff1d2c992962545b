/**
 * Reads a document in pages.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FilesError } from "../AgentError.ts"
import type { AgentTool } from "../AgentTool.ts"
import { make } from "../AgentTool.ts"
import { Documents } from "../Documents.ts"
import type { Files } from "../Files.ts"

/** Characters of one page. */
const pageChars = 10_000

/**
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  file: Schema.String.annotations({ description: "Name of a PDF, text, CSV, HTML, Markdown or JSON file" }),
  page: Schema.optional(Schema.Int.pipe(Schema.positive())).annotations({ description: "From 1. Default: 1" })
})

/**
 * One page of at most 10,000 characters of the text, which is not a page of a
 * PDF; `firstLine` is the number of the line with which it begins.
 *
 * @since 0.1.0
 * @category models
 */
export const Page = Schema.Struct({
  file: Schema.String,
  type: Schema.String,
  page: Schema.Number,
  pages: Schema.Number,
  firstLine: Schema.Number,
  text: Schema.String
})

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool<Files | Documents> = make("read_file", {
  description:
    "Reads a PDF, text, CSV, HTML, Markdown or JSON file as text, 10,000 characters a page. To work out numbers over a " +
    "table use query_table instead.",
  parameters: Parameters,
  success: Page,
  annotations: { openWorld: true },
  // A page in JSON: every character may need an escape.
  maxResultChars: 6 * pageChars + 1000,
  handler: Effect.fn("ReadFile.read")(function*({ file, page = 1 }) {
    const { text, type } = yield* Effect.flatMap(Documents, (documents) => documents.read(file))
    const pages = Math.max(1, Math.ceil(text.length / pageChars))
    if (page > pages) {
      const detail = `There is no page ${page}: it has ${pages} page${
        pages === 1 ? "" : "s"
      }. Ask for page 1 to ${pages}.`
      return yield* new FilesError({ reason: "OutOfRange", name: file, detail })
    }
    const start = (page - 1) * pageChars
    const firstLine = text.slice(0, start).split("\n").length
    return { file, type, page, pages, firstLine, text: text.slice(start, start + pageChars) }
  })
})
