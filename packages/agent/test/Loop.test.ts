import { expect, it } from "@effect/vitest"
import {
  Agent,
  AgentRuns,
  AgentTool,
  ChatModel,
  Conversation,
  Message,
  RunStore,
  Telemetry,
  Toolset
} from "@sennit/agent"
import { Cassette, LeakProbe, Scripted } from "@sennit/agent/testing"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"

const parameters = Schema.Struct({ n: Schema.Number })
const options = { description: "x", parameters, success: Schema.String } as const

const run = (agent: Agent.Agent, script: Parameters<typeof Scripted.make>[0]) =>
  Effect.provideService(Agent.run(agent, { message: "go" }), ChatModel.ChatModel, Scripted.make(script))

const agentOf = (tool: AgentTool.AgentTool, more: Partial<Parameters<typeof Agent.make>[0]> = {}) =>
  Agent.make({ name: "a", instructions: "", tools: Toolset.make(tool), ...(more.limits && { limits: more.limits }) })

it.effect("stages are nested, closed in order, and failed when their work fails or is interrupted", () =>
  Effect.gen(function*() {
    const tool = AgentTool.make("staged", {
      ...options,
      timeout: "1 second",
      handler: ({ n }, { stage }) =>
        stage.within("outer", (outer) =>
          Effect.gen(function*() {
            yield* outer.append("working")
            yield* outer.within("inner", () => n === 1 ? Effect.fail("no") : n === 2 ? Effect.never : Effect.void)
            yield* stage.attach({ name: "a.txt", size: 1, type: "text/plain" })
            return "done"
          }))
    })
    const fiber = yield* Effect.fork(run(agentOf(tool), [
      Scripted.calls(["staged", { n: 0 }], ["staged", { n: 1 }], ["staged", { n: 2 }]),
      Scripted.text("ok")
    ]))
    yield* TestClock.adjust("1 second")
    const { attachments, events } = yield* Fiber.join(fiber)
    const opened = events.flatMap((event) => event._tag === "StageOpened" ? [event] : [])
    const closed = new Map(
      events.flatMap((event) => event._tag === "StageClosed" ? [[event.stageId, event.status] as const] : [])
    )
    for (const callId of ["call_1", "call_2", "call_3"]) {
      const outer = opened.find(({ parentId }) => parentId === callId)
      const inner = opened.find(({ parentId }) => parentId === outer?.stageId)
      expect([outer?.name, inner?.name]).toEqual(["outer", "inner"])
      const status = callId === "call_1" ? "completed" : "failed"
      expect([closed.get(outer!.stageId), closed.get(inner!.stageId)]).toEqual([status, status])
    }
    expect(opened).toHaveLength(closed.size)
    expect(attachments).toEqual([{ name: "a.txt", size: 1, type: "text/plain" }])
  }))

it.effect("each call has its own time to the millisecond, whatever else runs", () =>
  Effect.gen(function*() {
    const hang = (seconds: number) =>
      AgentTool.make(`hang_${seconds}`, { ...options, timeout: `${seconds} seconds`, handler: () => Effect.never })
    const later = AgentTool.make("later", { ...options, handler: () => Effect.as(Effect.sleep("4 seconds"), "done") })
    const agent = Agent.make({
      name: "a",
      instructions: "",
      tools: Toolset.make(hang(3), hang(12), hang(25), hang(31), later)
    })
    const calls = ["hang_25", "hang_12", "hang_3", "hang_31", "later"].map((name) => [name, { n: 0 }] as const)
    const fiber = yield* Effect.fork(
      run(agent, [Scripted.calls(["later", { n: 1 }]), Scripted.calls(...calls), Scripted.text("ok")])
    )
    yield* TestClock.adjust("40 seconds")
    const { events } = yield* Fiber.join(fiber)
    const results = events.flatMap((event) => event._tag === "ToolResult" ? [[event.name, event.durationMs]] : [])
    expect(results).toEqual([
      ["later", 4000],
      ["hang_3", 3000],
      ["later", 4000],
      ["hang_12", 12_000],
      ["hang_25", 25_000],
      ["hang_31", 31_000]
    ])
  }))

it.effect("a run that is stopped ends its log after everything in it has ended", () =>
  Effect.gen(function*() {
    const open = yield* Deferred.make<void>()
    const tool = AgentTool.make("staged", {
      ...options,
      handler: (_, { stage }) =>
        stage.within("outer", () => Effect.zipRight(Deferred.succeed(open, undefined), Effect.never))
    })
    const runs = yield* AgentRuns.AgentRuns
    const model = Scripted.make([Scripted.calls(["staged", { n: 0 }])])
    const { runId } = yield* Effect.provideService(
      runs.start(agentOf(tool), { message: "go" }),
      ChatModel.ChatModel,
      model
    )
    yield* Deferred.await(open)
    yield* runs.cancel(runId)
    const tags = Chunk.toReadonlyArray(yield* Stream.runCollect(runs.attach(runId))).map(({ _tag }) => _tag)
    expect(tags.slice(-3)).toEqual(["StageClosed", "ToolResult", "RunFinished"])
  }).pipe(Effect.provide(Layer.provide(AgentRuns.layer(), RunStore.layerMemory()))))

it.effect("the limit of cost ends in an answer without tools, and needs prices", () =>
  Effect.gen(function*() {
    const tool = AgentTool.make("t", { ...options, handler: () => Effect.succeed("x") })
    const agent = Agent.make({
      name: "a",
      instructions: "",
      tools: Toolset.make(tool),
      limits: { costUsd: 0.01 },
      prices: { input: 100, output: 200 }
    })
    // 40 * 100 + 10 * 200 dollars for a million tokens: 0.006 a step
    const result = yield* run(agent, (request, turn) =>
      request.toolChoice === "none"
        ? Scripted.text("enough")
        : [{ _tag: "Usage", inputTokens: 40, outputTokens: 10 }, ...Scripted.calls(["t", { n: turn }])])
    expect(result).toMatchObject({ outcome: "limited", limit: "costUsd", text: "enough", steps: 3 })
    expect(result.events.find(({ _tag }) => _tag === "LimitReached")).toMatchObject({ limit: "costUsd" })
    expect(() => Agent.make({ name: "a", instructions: "", limits: { costUsd: 1 } })).toThrow(TypeError)
  }))

it.effect("with eager tools turned off none starts before the model has finished", () =>
  Effect.gen(function*() {
    const started = yield* Ref.make(0)
    const early = yield* Ref.make(-1)
    const tool = AgentTool.make("t", { ...options, handler: () => Effect.as(Ref.update(started, (n) => n + 1), "x") })
    const agent = Agent.make({ name: "a", instructions: "", tools: Toolset.make(tool), eagerTools: false })
    const answer = Stream.concat(
      Stream.fromIterable(Scripted.calls(["t", { n: 1 }]).slice(0, 1)),
      Stream.fromEffect(
        Effect.repeatN(Effect.yieldNow(), 200).pipe(
          Effect.zipRight(Effect.flatMap(Ref.get(started), (n) => Ref.set(early, n))),
          Effect.as({ _tag: "Finish", reason: "tool_calls" } as const)
        )
      )
    )
    yield* run(agent, [answer, Scripted.text("ok")])
    expect([yield* Ref.get(early), yield* Ref.get(started)]).toEqual([0, 1])
  }))

it.effect("tools of one server share its permits across runs", () =>
  Effect.gen(function*() {
    const inFlight = yield* Ref.make({ now: 0, most: 0 })
    const server = yield* Effect.makeSemaphore(2)
    const tool = (name: string) =>
      AgentTool.make(name, {
        ...options,
        server,
        handler: () =>
          Effect.acquireUseRelease(
            Ref.update(inFlight, ({ most, now }) => ({ now: now + 1, most: Math.max(most, now + 1) })),
            () => Effect.as(Effect.sleep("1 second"), "x"),
            () => Ref.update(inFlight, (state) => ({ ...state, now: state.now - 1 }))
          )
      })
    const agent = Agent.make({ name: "a", instructions: "", tools: Toolset.make(tool("one"), tool("two")) })
    const calls = Scripted.calls(["one", { n: 1 }], ["two", { n: 1 }], ["one", { n: 2 }], ["two", { n: 2 }])
    const fiber = yield* Effect.fork(
      Effect.all([1, 2, 3].map(() => run(agent, [calls, Scripted.text("ok")])), { concurrency: 3 })
    )
    yield* TestClock.adjust("6 seconds")
    yield* Fiber.join(fiber)
    expect(yield* Ref.get(inFlight)).toEqual({ now: 0, most: 2 })
  }))

it.effect("a transient failure is repeated within the timeout of the call, and side effects never are", () =>
  Effect.gen(function*() {
    const tries = yield* Ref.make(0)
    const flaky = AgentTool.make("flaky", {
      ...options,
      retry: AgentTool.retryTransient(2),
      handler: () =>
        Effect.flatMap(
          Ref.updateAndGet(tries, (n) => n + 1),
          (n) => n < 3 ? Effect.fail({ message: "busy", retryable: true }) : Effect.succeed("there")
        )
    })
    const fiber = yield* Effect.fork(run(agentOf(flaky), [Scripted.calls(["flaky", { n: 1 }]), Scripted.text("ok")]))
    yield* TestClock.adjust("1 second")
    const { events } = yield* Fiber.join(fiber)
    expect(events.find(({ _tag }) => _tag === "ToolResult")).toMatchObject({ content: "there" })
    expect(yield* Ref.get(tries)).toBe(3)
    const once = { ...options, annotations: { sideEffect: "once" }, handler: () => Effect.succeed("x") } as const
    expect(() => AgentTool.make("pay", { ...once, retry: AgentTool.retryTransient(1) })).toThrow(TypeError)
  }))

it.live("a tool that hangs is gone after its timeout, a thousand times", () =>
  Effect.gen(function*() {
    const hanging = yield* Ref.make(0)
    const tool = AgentTool.make("hang", {
      ...options,
      timeout: "20 millis",
      handler: () =>
        Effect.acquireUseRelease(
          Ref.update(hanging, (n) => n + 1),
          () => Effect.never,
          () => Ref.update(hanging, (n) => n - 1)
        )
    })
    const agent = agentOf(tool, { limits: { toolCalls: 1000, parallelTools: 100, wallClock: "1 hour" } })
    const numbers = Array.from({ length: 1000 }, (_, n) => ["hang", { n }] as const)
    const { events } = yield* run(agent, [Scripted.calls(...numbers), Scripted.text("ok")])
    const results = events.flatMap((event) => event._tag === "ToolResult" ? [event.error?.reason] : [])
    expect(results).toEqual(numbers.map(() => "timeout"))
    expect(yield* Ref.get(hanging)).toBe(0)
  }))

it.effect("nothing is open after runs that ended, failed and were stopped", () =>
  LeakProbe.leavesNothing(Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    const tool = AgentTool.make("t", {
      ...options,
      handler: () => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
    })
    yield* run(agentOf(tool), [Scripted.text("x")])
    yield* Effect.flip(run(agentOf(tool), []))
    const fiber = yield* Effect.fork(run(agentOf(tool), [Scripted.calls(["t", { n: 1 }])]))
    yield* Deferred.await(begun)
    expect(yield* Telemetry.leaks).toBeGreaterThanOrEqual(2)
    yield* Fiber.interrupt(fiber)
  })))

it.effect("spans and metrics follow the GenAI conventions", () =>
  Effect.gen(function*() {
    const spans: Array<Tracer.Span> = []
    const native = yield* Effect.tracer
    const tracer = Tracer.make({
      context: native.context,
      span: (...args) => {
        const span = native.span(...args)
        spans.push(span)
        return span
      }
    })
    const before = (yield* Metric.value(Telemetry.tokenUsage.input)).count
    const tool = AgentTool.make("t", { ...options, handler: () => Effect.succeed("x") })
    yield* run(agentOf(tool), [
      [{ _tag: "Usage", inputTokens: 7, outputTokens: 3 }, ...Scripted.calls(["t", { n: 1 }])],
      Scripted.text("ok")
    ]).pipe(Effect.withTracer(tracer))
    expect(spans.map(({ name }) => name)).toEqual([
      "invoke_agent a",
      "chat scripted (answers from a test)",
      "execute_tool t",
      "chat scripted (answers from a test)"
    ])
    expect(Object.fromEntries(spans[1]!.attributes)).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.usage.input_tokens": 7,
      "gen_ai.usage.output_tokens": 3,
      "gen_ai.response.finish_reasons": ["tool_calls"]
    })
    expect(Object.fromEntries(spans[2]!.attributes)).toEqual({
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "t",
      "gen_ai.tool.call.id": "call_1"
    })
    expect((yield* Metric.value(Telemetry.tokenUsage.input)).count).toBe(before + 7)
  }))

it.effect("a recording answers the same questions, and no others", () =>
  Effect.gen(function*() {
    const tool = AgentTool.make("t", { ...options, handler: ({ n }) => Effect.succeed(`t${n}`) })
    const { cassette, model } = Cassette.record(
      Scripted.make([Scripted.calls(["t", { n: 1 }]), Scripted.text("o", "k")])
    )
    const ask = (answering: typeof ChatModel.ChatModel.Service, message = "go") =>
      Effect.provideService(Agent.run(agentOf(tool), { message }), ChatModel.ChatModel, answering)
    const first = yield* ask(model)
    const kept = yield* Effect.flatMap(Schema.encode(Cassette.Cassette)(cassette()), Schema.decode(Cassette.Cassette))
    const again = yield* ask(Cassette.replay(kept))
    expect(again.text).toBe(first.text)
    expect(again.messages).toEqual(first.messages)
    expect(yield* Effect.flip(ask(Cassette.replay(kept), "other"))).toMatchObject({ reason: "Rejected" })
  }))

it("a toolset's names get a prefix, and its tools wait for a decision", () => {
  const put = AgentTool.make("put", {
    ...options,
    annotations: { sideEffect: "once" },
    handler: () => Effect.succeed("")
  })
  const look = AgentTool.make("look", { ...options, handler: () => Effect.succeed("") })
  const set = Toolset.approve(Toolset.namespace(Toolset.make(put, look), "files"))
  const asks = Array.from(set.tools.values(), (tool) => [tool.name, tool.needsApproval({})])
  expect(asks).toEqual([["files__put", true], ["files__look", false]])
  expect(() => Toolset.namespace(Toolset.make(put), "x".repeat(64))).toThrow(TypeError)
})

const message: FC.Arbitrary<ReadonlyArray<Message.Message>> = FC.tuple(
  FC.string({ maxLength: 400 }),
  FC.string({ maxLength: 2000 }),
  FC.boolean()
).map(([question, result, calls]): ReadonlyArray<Message.Message> => {
  const answer = Message.assistant("answer")
  if (!calls) return [Message.user(question), answer]
  const call = Message.assistant("", [{ id: "c", name: "t", arguments: "{}" }])
  const found = { role: "tool", callId: "c", name: "t", content: result, failed: false, untrusted: false } as const
  return [Message.user(question), call, found, answer]
})

it.prop(
  "a compacted history keeps its last turn and every call's result, and is as small as it can be",
  [FC.array(message, { minLength: 1, maxLength: 12 }), FC.integer({ min: 50, max: 2000 })],
  ([turns, maxTokens]) => {
    const messages = turns.flat()
    const short = Conversation.compact(messages, { maxTokens })
    const last = turns.at(-1)!
    expect(short.slice(-last.length)).toEqual(last)
    expect(Message.repair(short)).toEqual(short)
    const size = Conversation.estimateTokens(short)
    expect(size <= Math.max(maxTokens, Conversation.estimateTokens(last) + 30)).toBe(true)
    if (Conversation.estimateTokens(messages) <= maxTokens) expect(short).toBe(messages)
  }
)

it.effect("turns are given to their owner alone, without instructions, and the oldest conversation goes first", () =>
  Effect.gen(function*() {
    const conversations = yield* Conversation.Conversation
    const mine = { user: "ada", conversation: "c" }
    const turn = yield* conversations.append(mine, [Message.system("secret"), Message.assistant("hi")])
    expect(yield* conversations.get(mine, turn)).toEqual(Option.some([Message.assistant("hi")]))
    for (const other of [{ user: "eve", conversation: "c" }, { user: "ada", conversation: "d" }]) {
      expect(yield* conversations.get(other, turn)).toEqual(Option.none())
    }
    yield* conversations.append({ user: "ada", conversation: "d" }, [Message.assistant("x")])
    yield* conversations.append({ user: "ada", conversation: "e" }, [Message.assistant("x")])
    expect(yield* conversations.history(mine)).toEqual([])
  }).pipe(Effect.provide(Conversation.layerMemory({ maxConversations: 2 }))))
