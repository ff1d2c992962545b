// @effect-diagnostics asyncFunction:off -- runs in a thread of its own
import * as Either from "effect/Either"
import type { TableError } from "../AgentError.ts"
import type { Parameters } from "../tools/QueryTable.ts"
import type { TableAnswer } from "./answerTable.ts"
import { answerTable } from "./answerTable.ts"
import type { Run } from "./startThread.ts"

/** @internal A question about the table that these bytes are. */
export type TableJob = {
  readonly question: typeof Parameters.Type
  readonly bytes: Uint8Array
  readonly charset: string
}

/** @internal */
export type TableReply =
  | { readonly answer: TableAnswer }
  | { readonly refused: Pick<TableError, "reason" | "name" | "detail"> }

/** @internal The name of the error that says that the bytes are no text. */
export const notTextName = "NotText"

const decode = ({ bytes, charset }: TableJob): string => {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch (cause) {
    const error = new Error("It is no text", { cause })
    error.name = notTextName
    throw error
  }
}

/** @internal */
export const run: Run<TableJob, TableReply> = async (job) =>
  Either.match(answerTable(job.question, decode(job)), {
    onLeft: ({ detail, name, reason }): TableReply => ({ refused: { reason, name, detail } }),
    onRight: (answer): TableReply => ({ answer })
  })
