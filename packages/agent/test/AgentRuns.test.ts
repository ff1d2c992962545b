import { expect, it } from "@effect/vitest"
import { Agent, AgentRuns, AgentTool, ChatModel, RunStore, Toolset } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

const agent = Agent.make({ name: "a", instructions: "" })
const input = { message: "go", runId: "r1" }

const layer = (options: { readonly maxRunning?: number; readonly keepFinished?: number } = {}) =>
  Layer.provide(AgentRuns.layer(options), RunStore.layerMemory(options))

const collect = (runId: string, after?: number) =>
  Effect.gen(function*() {
    const runs = yield* AgentRuns.AgentRuns
    return Chunk.toReadonlyArray(yield* Stream.runCollect(runs.attach(runId, after === undefined ? {} : { after })))
  })

const withModel = <A, E, R>(effect: Effect.Effect<A, E, R>, script: Parameters<typeof Scripted.make>[0]) =>
  Effect.provideService(effect, ChatModel.ChatModel, Scripted.make(script))

it.effect("a run goes on when its reader leaves, and is read again from where it was left", () =>
  Effect.gen(function*() {
    const runs = yield* AgentRuns.AgentRuns
    const gate = yield* Deferred.make<void>()
    const answer = Stream.concat(
      Stream.fromIterable(Scripted.text("one ").slice(0, 1)),
      Stream.unwrap(Effect.as(Deferred.await(gate), Stream.fromIterable(Scripted.text("two"))))
    )
    yield* withModel(runs.start(agent, input), [answer])
    const first = yield* runs.attach("r1").pipe(
      Stream.takeUntil((event) => event._tag === "TextDelta"),
      Stream.runCollect
    )
    yield* Deferred.succeed(gate, undefined)
    const rest = yield* collect("r1", Chunk.size(first))
    const all = yield* collect("r1")
    expect([...first, ...rest]).toEqual(all)
    expect(all.at(-1)).toMatchObject({ _tag: "RunFinished", outcome: "completed", text: "one two" })
  }).pipe(Effect.provide(layer())))

it.effect.prop(
  "readers that come at any point see the same log",
  [FC.array(FC.nat(80), { maxLength: 6 })],
  ([points]) =>
    Effect.gen(function*() {
      const runs = yield* AgentRuns.AgentRuns
      yield* withModel(runs.start(agent, input), [Scripted.text(...Array.from({ length: 60 }, (_, i) => `${i} `))])
      const readers = yield* Effect.forEach(points, (after) => Effect.fork(collect("r1", after)))
      const all = yield* collect("r1")
      for (const [i, reader] of readers.entries()) expect(yield* Fiber.join(reader)).toEqual(all.slice(points[i]))
      expect(all.map((event) => event.seq)).toEqual(all.map((_, index) => index + 1))
    }).pipe(Effect.provide(layer())),
  { fastCheck: { numRuns: 20 } }
)

it.effect("cancelling leaves neither the model nor a tool running, and the log ends with it", () =>
  Effect.gen(function*() {
    const runs = yield* AgentRuns.AgentRuns
    const running = yield* Ref.make(0)
    const begun = yield* Deferred.make<void>()
    const occupy = Effect.acquireUseRelease(
      Ref.update(running, (n) => n + 1),
      () => Effect.never,
      () => Ref.update(running, (n) => n - 1)
    )
    const hang = AgentTool.make("hang", {
      description: "x",
      parameters: Schema.Struct({}),
      success: Schema.String,
      handler: () => Effect.zipRight(Deferred.succeed(begun, undefined), occupy)
    })
    const answer = Stream.concat(
      Stream.fromIterable(Scripted.calls(["hang", {}]).slice(0, 1)),
      Stream.fromEffect(occupy)
    )
    yield* withModel(runs.start({ ...agent, tools: Toolset.make(hang) }, input), [answer])
    yield* Deferred.await(begun)
    yield* Effect.repeatN(Effect.yieldNow(), 100)
    expect(yield* Ref.get(running)).toBe(2)
    const status = yield* runs.cancel("r1")
    expect(yield* Ref.get(running)).toBe(0)
    expect(status.outcome).toBe("stopped")
    const events = yield* collect("r1")
    expect(events.slice(-2)).toMatchObject([
      { _tag: "ToolResult", error: { reason: "interrupted" } },
      { _tag: "RunFinished", outcome: "stopped" }
    ])
    expect(yield* runs.cancel("r1")).toEqual(status)
  }).pipe(Effect.provide(layer())))

it.effect("cancelling before the first word works as well", () =>
  Effect.gen(function*() {
    const runs = yield* AgentRuns.AgentRuns
    yield* withModel(runs.start(agent, input), [Stream.never])
    expect((yield* runs.cancel("r1")).outcome).toBe("stopped")
    expect((yield* collect("r1")).at(-1)?._tag).toBe("RunFinished")
  }).pipe(Effect.provide(layer())))

it.effect("no more runs than allowed, and no more finished ones kept than allowed", () =>
  Effect.gen(function*() {
    const runs = yield* AgentRuns.AgentRuns
    const start = (runId: string, script: Parameters<typeof Scripted.make>[0]) =>
      withModel(runs.start(agent, { message: "go", runId }), script)
    yield* start("a", [Stream.never])
    yield* start("b", [Stream.never])
    expect(yield* Effect.flip(start("c", [Stream.never]))).toMatchObject({ _tag: "TooManyRuns", limit: 2 })
    expect(yield* Effect.flip(start("a", [Stream.never]))).toMatchObject({ _tag: "RunAlreadyExists" })
    yield* runs.cancel("a")
    yield* start("c", [Scripted.text("x")])
    yield* collect("c")
    yield* Effect.repeatN(Effect.yieldNow(), 100)
    expect(yield* Effect.flip(runs.status("a"))).toMatchObject({ _tag: "RunNotFound", runId: "a" })
    expect(Array.from(yield* Stream.runCollect(runs.list()), ({ outcome, runId }) => [runId, outcome])).toEqual([
      ["b", undefined],
      ["c", "completed"]
    ])
    expect(Exit.isFailure(yield* Effect.exit(collect("nowhere")))).toBe(true)
  }).pipe(Effect.provide(layer({ maxRunning: 2, keepFinished: 1 }))))

it.effect("closing the layer stops every run and ends no log", () =>
  Effect.gen(function*() {
    const stopped = yield* Ref.make(0)
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer(), scope)
    yield* Effect.gen(function*() {
      const runs = yield* AgentRuns.AgentRuns
      const endless = Stream.ensuring(Stream.never, Ref.update(stopped, (n) => n + 1))
      for (const runId of ["a", "b", "c"]) {
        yield* withModel(runs.start(agent, { message: "go", runId }), [endless])
      }
      yield* Effect.repeatN(Effect.yieldNow(), 100)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Ref.get(stopped)).toBe(3)
      expect((yield* collect("a")).map((event) => event._tag)).toEqual(["RunStarted", "StepStarted"])
    }).pipe(Effect.provide(context))
  }))
