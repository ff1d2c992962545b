/** A run over a journal in a file, whose tools leave traces that outlive the process. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Agent, AgentRuns, AgentTool, RunStore, Toolset } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import { Effect, Layer, Schema } from "effect"
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"

/** A folder that is gone afterwards. */
export const inFolder = async <A>(use: (folder: string) => Promise<A>): Promise<A> => {
  const folder = mkdtempSync(path.join(tmpdir(), "sennit-bench-"))
  return use(folder).finally(() => rmSync(folder, { recursive: true }))
}

export const sqlite = (filename: string): Layer.Layer<RunStore.RunStore> =>
  Layer.orDie(Layer.provide(RunStore.layerSql, SqliteClient.layer({ filename })))

export const journaled = (folder: string): Layer.Layer<AgentRuns.AgentRuns> =>
  Layer.provide(AgentRuns.layer(), sqlite(path.join(folder, "runs.db")))

const traces = (folder: string) => path.join(folder, "traces.txt")

/** The calls that did their work, in order, one name for each time. */
export const doneIn = (folder: string): ReadonlyArray<string> =>
  readFileSync(traces(folder), "utf8").split("\n").filter((line) => line !== "")

export const tracing = (folder: string) => {
  const work = AgentTool.make("work", {
    description: "Leaves a trace, or hangs when n is 0",
    parameters: Schema.Struct({ n: Schema.Number }),
    success: Schema.String,
    handler: ({ n }, { callId }) =>
      n === 0 ? Effect.never : Effect.sync(() => {
        appendFileSync(traces(folder), `${callId}\n`)
        return "done"
      })
  })
  return Agent.make({ name: "traced", instructions: "", tools: Toolset.make(work) })
}

/** Two calls, then one that works and one that hangs. */
export const model = Scripted.make(({ messages }) =>
  messages.at(-1)?.role === "tool"
    ? Scripted.calls(["work", { n: 3 }], ["work", { n: 0 }])
    : Scripted.calls(["work", { n: 1 }], ["work", { n: 2 }])
)
