// @effect-diagnostics nodeBuiltinImport:off -- side effects are lines of a file, which outlive the process
/** An agent whose tools leave traces, over a journal in a file. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Agent, AgentRuns, AgentTool, type ChatModel, RunStore, Toolset } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { appendFileSync } from "node:fs"

const leaveTrace = (traces: string, name: string, sideEffect: AgentTool.Annotations["sideEffect"]) =>
  AgentTool.make(name, {
    description: "Leaves a trace",
    parameters: Schema.Struct({ n: Schema.Number }),
    success: Schema.String,
    annotations: { sideEffect },
    handler: ({ n }, { callId }) =>
      Effect.sync(() => {
        appendFileSync(traces, `${name} ${callId}\n`)
        return `${name} did ${n}`
      })
  })

export const makeAgent = (traces: string) =>
  Agent.make({
    name: "journaled",
    instructions: "Leave traces.",
    tools: Toolset.make(
      leaveTrace(traces, "look", "none"),
      leaveTrace(traces, "put", "idempotent"),
      leaveTrace(traces, "pay", "once")
    )
  })

/** Asks for three tools, then for one, then answers: by what the transcript says, as after a restart. */
export const model = Scripted.make(({ messages }: ChatModel.ModelRequest) => {
  switch (messages.filter(({ role }) => role === "assistant").length) {
    case 0:
      return Scripted.calls(["look", { n: 1 }], ["pay", { n: 2 }], ["put", { n: 3 }])
    case 1:
      return Scripted.calls(["pay", { n: 4 }])
    default:
      return Scripted.text("all ", "done")
  }
})

const sqlite = (filename: string) =>
  RunStore.layerSql.pipe(Layer.provide(SqliteClient.layer({ filename })), Layer.orDie)

export const journal = (filename: string): Layer.Layer<RunStore.RunStore | AgentRuns.AgentRuns> =>
  Layer.provideMerge(AgentRuns.layer(), sqlite(filename))

/** The same, but the `at`-th write never ends: before or after it is done. */
export const frozen = (filename: string, at: number, when: "before" | "after", onFrozen: () => void) =>
  Layer.provide(
    AgentRuns.layer(),
    Layer.provide(
      Layer.effect(
        RunStore.RunStore,
        Effect.map(RunStore.RunStore, (store) => {
          let writes = 0
          const freeze = Effect.zipRight(Effect.sync(onFrozen), Effect.never)
          return RunStore.RunStore.of({
            ...store,
            append: (runId, events) => {
              const write = store.append(runId, events)
              if (++writes !== at) return write
              return when === "before" ? freeze : Effect.zipRight(write, freeze)
            }
          })
        })
      ),
      sqlite(filename)
    )
  )
