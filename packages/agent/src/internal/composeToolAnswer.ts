import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as QueryTable from "../tools/QueryTable.ts"
import type * as RunCode from "../tools/RunCode.ts"
import type * as SearchDocuments from "../tools/SearchDocuments.ts"
import { findLines, quote } from "./composeAnswer.ts"

const fence = (text: string) => `\`\`\`text\n${text.replaceAll("```", "'".repeat(3))}\n\`\`\``

/** @internal What code gave. */
export const answerCode = ({ error, files, output, result }: typeof RunCode.Result.Type): string =>
  [
    ...(output === "" ? [] : [`It printed:\n\n${fence(output)}`]),
    ...(result === undefined ? [] : [`The result is:\n\n${fence(result)}`]),
    ...(error === undefined ? [] : [`It failed:\n\n${fence(error)}`]),
    ...files.map(({ name, size }) => `It wrote **${name}** (${size} bytes).`),
    "_Run by run_code._"
  ].join("\n\n")

const asFigure = Schema.decodeOption(Schema.parseJson(Schema.Struct({ value: Schema.Number, rows: Schema.Number })))

/** @internal A figure that code worked out over a column. */
export const answerFigure = (
  what: string,
  { file, rowCount }: typeof QueryTable.Description.Type,
  { error, result = "" }: typeof RunCode.Result.Type
): string =>
  Option.match(asFigure(result), {
    onNone: () => `run_code did not give a number: ${error ?? result}`,
    onSome: ({ rows, value }) =>
      `The ${what} is **${value}**.\n\n_Worked out by run_code from ${file}: ${rows} of ${rowCount} rows used._`
  })

/** @internal The lines of some passages that answer, each with where it stands. */
export const answerPassages = (
  question: string,
  names: ReadonlyArray<string>,
  passages: (typeof SearchDocuments.Passages.Type)["passages"]
): string => {
  const found = passages.slice(0, 3).flatMap(({ end, file, page, start, text: passage }) => {
    const where = `${file}${page === undefined ? "" : `, page ${page}`}, characters ${start} to ${end}`
    return findLines(question, [{ file, type: "", page: 1, pages: 1, firstLine: 1, text: passage }]).slice(0, 1)
      .map(({ close, score, text }) => ({ close, score, text, where }))
  })
  const best = Math.max(0, ...found.map(({ score }) => score))
  const fitting = found.filter(({ score }) => score === best)
  if (fitting.length === 0) {
    return `I found no passage in ${names.join(", ")} that shares a word with the question.\n\n` +
      "_Searched by search_documents._"
  }
  return (fitting.every(({ close }) => close) ? "" : "No passage clearly answers this. These come closest:\n\n") +
    fitting.map(({ text, where }) => `${quote(text)}\n\n${where}`).join("\n\n") +
    "\n\n_Found by search_documents._"
}
