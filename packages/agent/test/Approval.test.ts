// @effect-diagnostics nodeBuiltinImport:off -- a journal in a file of its own
import { expect, it } from "@effect/vitest"
import { Agent, AgentRuns, AgentTool, ChatModel, RunStore, Toolset } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { journal } from "./programs/journaledAgent.ts"

const parameters = Schema.Struct({ n: Schema.Number })

const payments = Effect.gen(function*() {
  const paid = yield* Ref.make<ReadonlyArray<number>>([])
  const pay = AgentTool.make("pay", {
    description: "x",
    parameters,
    success: Schema.String,
    annotations: { sideEffect: "once" },
    needsApproval: ({ n }) => n >= 100,
    handler: ({ n }) => Effect.as(Ref.update(paid, (all) => [...all, n]), `paid ${n}`)
  })
  return { agent: Agent.make({ name: "a", instructions: "", tools: Toolset.make(pay) }), paid }
})

/** Asks for payments once, then repeats what it was told. */
const model = (...amounts: ReadonlyArray<number>) =>
  Scripted.make(({ messages }) => {
    const results = messages.flatMap((message) => message.role === "tool" ? [message.content] : [])
    return results.length > 0
      ? Scripted.text(results.join("; "))
      : Scripted.calls(...amounts.map((n) => ["pay", { n }] as const))
  })

const memory = Layer.provideMerge(AgentRuns.layer(), RunStore.layerMemory())

const collect = (runId: string) =>
  Effect.flatMap(
    AgentRuns.AgentRuns,
    (runs) => Effect.map(Stream.runCollect(runs.attach(runId)), (events) => Chunk.toReadonlyArray(events))
  )

it.effect("a call that needs approval holds up no other call, and runs when it is approved", () =>
  Effect.gen(function*() {
    const { agent, paid } = yield* payments
    yield* Agent.start(agent, { message: "go", runId: "r" })
    expect((yield* collect("r")).at(-1)).toMatchObject({ _tag: "RunSuspended", waiting: ["call_1"] })
    expect(yield* Ref.get(paid)).toEqual([5])
    const runs = yield* AgentRuns.AgentRuns
    expect(yield* runs.status("r")).toMatchObject({ outcome: "suspended", running: false })
    yield* Agent.approve("r", "call_1", { approved: true, by: "ada" })
    const events = yield* collect("r")
    expect(events.at(-1)).toMatchObject({ outcome: "completed", text: "paid 100; paid 5" })
    expect(yield* Ref.get(paid)).toEqual([5, 100])
    expect(events.find(({ _tag }) => _tag === "ApprovalResolved")).toMatchObject({ approved: true, by: "ada" })
    const again = yield* Effect.flip(Agent.approve("r", "call_1", { approved: true }))
    expect(again).toMatchObject({ _tag: "RunStateError", reason: "NothingToDecide" })
  }).pipe(Effect.provide(memory), Effect.provideService(ChatModel.ChatModel, model(100, 5))))

it.effect("a call that is denied is never run, and the model reads why", () =>
  Effect.gen(function*() {
    const { agent, paid } = yield* payments
    yield* Agent.start(agent, { message: "go", runId: "r" })
    yield* collect("r")
    yield* Agent.approve("r", "call_1", { approved: false, why: "too much" })
    const events = yield* collect("r")
    expect(events.find(({ _tag }) => _tag === "ToolResult")).toMatchObject({ error: { reason: "denied" } })
    expect(events.at(-1)).toMatchObject({ outcome: "completed" })
    expect(events.at(-1)).toHaveProperty("text", expect.stringContaining("too much"))
    expect(yield* Ref.get(paid)).toEqual([])
  }).pipe(Effect.provide(memory), Effect.provideService(ChatModel.ChatModel, model(100))))

it.effect("a decision that comes while other tools run is followed at once", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const slow = AgentTool.make("slow", {
      description: "x",
      parameters,
      success: Schema.String,
      handler: () => Effect.as(Deferred.await(gate), "slow")
    })
    const ask = AgentTool.make("ask", {
      description: "x",
      parameters,
      success: Schema.String,
      needsApproval: true,
      // Only this lets the other one end: it hangs when decisions wait for the end of the step.
      handler: () => Effect.as(Deferred.succeed(gate, undefined), "asked")
    })
    const agent = Agent.make({ name: "a", instructions: "", tools: Toolset.make(slow, ask) })
    yield* Agent.start(agent, { message: "go", runId: "r" })
    yield* Agent.attach("r").pipe(Stream.takeUntil(({ _tag }) => _tag === "ApprovalRequested"), Stream.runDrain)
    yield* Agent.approve("r", "call_2", { approved: true })
    const events = yield* collect("r")
    expect(events.map(({ _tag }) => _tag)).not.toContain("RunSuspended")
    expect(events.at(-1)).toMatchObject({ outcome: "completed", text: "ok" })
  }).pipe(
    Effect.provide(memory),
    Effect.provideService(
      ChatModel.ChatModel,
      Scripted.make([Scripted.calls(["slow", { n: 1 }], ["ask", { n: 2 }]), Scripted.text("ok")])
    )
  ))

it.scoped("an approval survives a restart", () =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(path.join(tmpdir(), "sennit-approval-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const restarted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provide(effect, journal(path.join(folder, "runs.db")))
    const { agent, paid } = yield* payments
    yield* restarted(Effect.zipRight(Agent.start(agent, { message: "go", runId: "r" }), collect("r")))
    const status = yield* restarted(Agent.approve("r", "call_1", { approved: true }))
    expect(status).toMatchObject({ running: false, outcome: "suspended" })
    expect(yield* Ref.get(paid)).toEqual([5])
    const events = yield* restarted(Effect.zipRight(Agent.resume(agent, "r"), collect("r")))
    expect(events.at(-1)).toMatchObject({ outcome: "completed", text: "paid 100; paid 5" })
    expect(yield* Ref.get(paid)).toEqual([5, 100])
    expect(yield* restarted(Effect.flip(Agent.resume(agent, "r")))).toMatchObject({ reason: "Finished" })
  }).pipe(Effect.provideService(ChatModel.ChatModel, model(100, 5))))

it.effect("a suspended run that is cancelled ends, and its calls with it", () =>
  Effect.gen(function*() {
    const { agent, paid } = yield* payments
    yield* Agent.start(agent, { message: "go", runId: "r" })
    yield* collect("r")
    expect(yield* Agent.cancel("r")).toMatchObject({ outcome: "stopped" })
    const events = yield* collect("r")
    expect(events.slice(-2)).toMatchObject([{ _tag: "ToolResult", callId: "call_1" }, { _tag: "RunFinished" }])
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(yield* Ref.get(paid)).toEqual([])
  }).pipe(Effect.provide(memory), Effect.provideService(ChatModel.ChatModel, model(100))))

it.effect("a run without a journal ends where it waits, and says for what", () =>
  Effect.gen(function*() {
    const { agent } = yield* payments
    const result = yield* Agent.run(agent, { message: "go" })
    expect(result.outcome).toBe("suspended")
    expect(result.events.at(-1)).toMatchObject({ waiting: ["call_1"] })
  }).pipe(Effect.provideService(ChatModel.ChatModel, model(100))))
