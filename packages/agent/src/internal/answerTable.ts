import * as Either from "effect/Either"
import type { TableError } from "../AgentError.ts"
import type { Answer, Description, Parameters } from "../tools/QueryTable.ts"
import { describeColumns, findMentions } from "./describeTable.ts"
import { queryRows } from "./queryRows.ts"
import { parseTable } from "./readTable.ts"

/** @internal */
export type TableAnswer = typeof Answer.Type | typeof Description.Type

/** @internal Answers a question about the table that this text is; describes the table when nothing is asked. */
export const answerTable = (
  question: typeof Parameters.Type,
  text: string
): Either.Either<TableAnswer, TableError> =>
  Either.flatMap(
    parseTable(question.file, text, question.lenient ?? false),
    (table): Either.Either<TableAnswer, TableError> => {
      const { aggregates = [], file, filters = [], groupBy = [], mentionedIn } = question
      const { notes } = table
      if (filters.length + groupBy.length + aggregates.length === 0 && question.select !== true) {
        return Either.right({
          file,
          rowCount: table.rows.length,
          columns: describeColumns(table),
          mentioned: mentionedIn === undefined ? [] : findMentions(table, mentionedIn),
          skipped: table.raggedRows.length,
          notes
        })
      }
      const result = queryRows(table, {
        filters: filters.map(({ column, op, to, value }) => ({
          column,
          op,
          value: String(value),
          to: to === undefined ? undefined : String(to)
        })),
        groupBy: groupBy.map(({ by = "value", column }) => ({ column, by })),
        aggregates,
        sort: question.sort,
        limit: question.limit ?? 50
      })
      return Either.map(result, (answer) => ({ file, ...answer, notes }))
    }
  )
