// @effect-diagnostics nodeBuiltinImport:off strictEffectProvide:off asyncFunction:off -- measures what has a limit of its own
/** Rows that nobody else is compared in: the target is the value itself, so the peer is always 1. */
import { Agent, AgentRuns, AgentTool, ChatModel, RunStore, Telemetry, Toolset } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import path from "node:path"
import { inFolder, sqlite } from "./journaled.ts"
import type { Sample, Workload } from "./main.ts"
import { resumeKilled, timed } from "./processes.ts"

const parameters = Schema.Struct({ n: Schema.Number })

const sleeper = AgentTool.make("sleep", {
  description: "Takes n milliseconds",
  parameters,
  success: Schema.String,
  handler: ({ n }) => Effect.as(Effect.sleep(n), "slept")
})
const agent = Agent.make({ name: "bench", instructions: "", tools: Toolset.make(sleeper) })

const callsOnce = (...waits: ReadonlyArray<number>) =>
  Scripted.make(({ messages }) =>
    messages.at(-1)?.role === "tool"
      ? Scripted.text("done")
      : Scripted.calls(...waits.map((n) => ["sleep", { n }] as const))
  )

const once = (model: typeof ChatModel.ChatModel.Service) =>
  timed(Effect.provideService(Agent.run(agent, { message: "go" }), ChatModel.ChatModel, model))

/** A row whose value is compared with its target alone. */
export const opened = (
  fields: Pick<Workload, "id" | "unit" | "better" | "target">,
  open: () => Promise<{ readonly value: () => Promise<number>; readonly close: () => Promise<void> }>
): Workload => ({
  ...fields,
  peerName: "a limit of its own",
  open: () =>
    open().then(({ close, value }) => ({
      ours: async (): Promise<Sample> => {
        const before = process.cpuUsage()
        const measured = await value()
        const { system, user } = process.cpuUsage(before)
        return { value: measured, cpuMs: (system + user) / 1000 }
      },
      peer: () => Promise.resolve({ value: 1, cpuMs: 1 }),
      close
    }))
})

const row = (
  id: string,
  unit: string,
  better: Workload["better"],
  target: number,
  value: () => Promise<number>
): Workload => opened({ id, unit, better, target }, () => Promise.resolve({ value, close: () => Promise.resolve() }))

/** A model that takes 50 ms to begin. */
const slowModel = ChatModel.fromStream(
  "slow",
  () => Stream.unwrap(Effect.as(Effect.sleep("50 millis"), Stream.fromIterable(Scripted.text("done"))))
)

const users = async () => {
  let alone = 0
  for (let i = 0; i < 10; i++) alone += await once(slowModel)
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: 10 }, () => once(slowModel)))
  return alone / (performance.now() - startedAt)
}

const journaledRuns = 100
const stepsOfARun = 2

/** Detached runs one after the other, each read to its end. */
const detached = (store: Layer.Layer<RunStore.RunStore>) =>
  Effect.forEach(Array.from({ length: journaledRuns }), () =>
    Effect.flatMap(
      Agent.start(agent, { message: "go" }),
      ({ runId }) => Stream.runDrain(Agent.attach(runId))
    ), { discard: true }).pipe(
      Effect.provide(Layer.provide(AgentRuns.layer(), store)),
      Effect.provideService(ChatModel.ChatModel, callsOnce(0, 0))
    )

const journal = () =>
  inFolder(async (folder) => {
    const journaled = await timed(detached(sqlite(path.join(folder, "runs.db"))))
    const inMemory = await timed(detached(RunStore.layerMemory()))
    return (journaled - inMemory) / (journaledRuns * stepsOfARun)
  })

/** A thousand runs, each in the middle of its model's answer with a tool running. */
const cancel = async () => {
  const hanging = ChatModel.fromStream(
    "hanging",
    () => Stream.concat(Stream.fromIterable(Scripted.calls(["sleep", { n: 60_000 }]).slice(0, 1)), Stream.never)
  )
  const fibers = await Effect.runPromise(
    Effect.forEach(Array.from({ length: 1000 }), () => Effect.forkDaemon(Agent.run(agent, { message: "go" }))).pipe(
      Effect.zipLeft(Effect.sleep("300 millis")),
      Effect.provideService(ChatModel.ChatModel, hanging)
    )
  )
  if (await Effect.runPromise(Telemetry.leaks) !== 3000) throw new Error("The runs are not in flight")
  const took = await timed(Fiber.interruptAll(fibers))
  if (await Effect.runPromise(Telemetry.leaks) !== 0) throw new Error("Something is left")
  return took
}

export const absolute: ReadonlyArray<Workload> = [
  row(
    "parallel.2",
    "share of the time saved, tools of 300 and 400 ms",
    "higher",
    0.425,
    async () => 1 - await once(callsOnce(300, 400)) / 700
  ),
  row(
    "parallel.8",
    "critical path / time, 8 tools of 400 ms",
    "higher",
    0.97,
    async () => 400 / await once(callsOnce(...Array.from({ length: 8 }, (_, i) => 393 + i)))
  ),
  row("users.10", "speed-up of 10 users at a time", "higher", 9, users),
  row("journal.step", "ms added per step", "lower", 0.5, journal),
  row("resume", "s to the next event after kill -9, no finished tool run again", "lower", 1, resumeKilled),
  row("cancel.1000", "ms until nothing is left", "lower", 250, cancel)
]
