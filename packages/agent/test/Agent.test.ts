import { expect, it } from "@effect/vitest"
import { Agent, AgentEvent, AgentTool, ChatModel, Message, Toolset } from "@sennit/agent"
import type { AgentError } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

const Numbered = Schema.Struct({ n: Schema.Int })

const double = AgentTool.make("double", {
  description: "Doubles a number",
  parameters: Numbered,
  success: Schema.Int,
  handler: ({ n }) => Effect.succeed(2 * n)
})

const agentWith = <R>(tools: Toolset.Toolset<R>, limits: Parameters<typeof Agent.make>[0]["limits"] = {}) =>
  Agent.make({ name: "test", instructions: "Be brief.", tools, limits })

const run = <R>(agent: Agent.Agent<R>, script: Parameters<typeof Scripted.make>[0]) => {
  const model = Scripted.make(script)
  return Effect.map(
    Effect.provideService(Agent.run(agent, { message: "go" }), ChatModel.ChatModel, model),
    (result) => ({ result, requests: model.requests })
  )
}

const toolMessages = (messages: ReadonlyArray<Message.Message>) => messages.filter((message) => message.role === "tool")

const resultErrors = (events: ReadonlyArray<AgentEvent.AgentEvent>): ReadonlyArray<AgentError.ToolError | undefined> =>
  events.flatMap((event) => event._tag === "ToolResult" ? [event.error] : [])

it.effect("asks, runs the tools that were called, and answers from their results", () =>
  Effect.gen(function*() {
    const { requests, result } = yield* run(agentWith(Toolset.make(double)), [
      Scripted.calls(["double", { n: 4 }], ["double", { n: 5 }]),
      Scripted.text("8 and ", "10")
    ])
    expect(result.outcome).toBe("completed")
    expect(result.text).toBe("8 and 10")
    expect(toolMessages(requests[1]!.messages).map((message) => message.content)).toEqual(["8", "10"])
    expect(requests[0]!.messages[0]).toEqual(Message.system("Be brief."))
  }))

it.effect("what the model is asked next is what the events say", () =>
  Effect.gen(function*() {
    const { requests, result } = yield* run(agentWith(Toolset.make(double)), [
      [{ _tag: "TextDelta", text: "Let me see. " }, ...Scripted.calls(["double", { n: 1 }], ["nothing", {}])],
      Scripted.calls(["double", "not json"]),
      Scripted.text("done")
    ])
    expect(requests[2]!.messages).toEqual([Message.system("Be brief."), ...result.messages.slice(0, -1)])
  }))

it.effect("every failure of a tool is a typed result, and the run goes on", () =>
  Effect.gen(function*() {
    const parts = { description: "x", parameters: Schema.Struct({}), success: Schema.String }
    class Broken extends Schema.TaggedError<Broken>()("Broken", { retryable: Schema.Boolean }) {
      override get message() {
        return "the wheel is off"
      }
    }
    const tools = Toolset.make(
      double,
      AgentTool.make("fails", { ...parts, handler: () => new Broken({ retryable: true }) }),
      AgentTool.make("dies", { ...parts, handler: () => Effect.die(new Error("bug")) }),
      AgentTool.make("throws", {
        ...parts,
        handler: () => {
          throw new Error("thrown")
        }
      }),
      AgentTool.make("hangs", { ...parts, timeout: "2 seconds", handler: () => Effect.never }),
      AgentTool.make("gives_up", { ...parts, handler: () => Effect.interrupt })
    )
    const names = ["fails", "dies", "throws", "hangs", "gives_up", "duoble"]
    const fiber = yield* Effect.fork(run(agentWith(tools), [
      Scripted.calls(...names.map((name) => [name, {}] as const), ["double", { n: "four" }], ["double", "{\"n\": 4"]),
      Scripted.text("fine")
    ]))
    yield* TestClock.adjust("2 seconds")
    const { result } = yield* Fiber.join(fiber)
    const byCall = new Map(result.events.flatMap((e) => e._tag === "ToolResult" ? [[e.callId, e.error] as const] : []))
    const calls = result.events.flatMap((e) => e._tag === "ToolCallStarted" ? [e.callId] : [])
    const errors = calls.map((id) => byCall.get(id))
    expect(errors.map((error) => error?.reason)).toEqual([
      "failed",
      "defect",
      "defect",
      "timeout",
      "interrupted",
      "unknown_tool",
      "invalid_arguments",
      "invalid_arguments"
    ])
    expect(errors[0]).toMatchObject({ retryable: true, message: "the wheel is off" })
    expect(errors[5]?.message).toContain("\"double\"")
    expect(errors[6]?.message).toContain("n")
    expect(result.text).toBe("fine")
  }))

it.effect("200 calls in one step never run more than 8 at a time, and keep their order", () =>
  Effect.gen(function*() {
    const inFlight = yield* Ref.make({ now: 0, most: 0 })
    const slow = AgentTool.make("slow", {
      description: "x",
      parameters: Numbered,
      success: Schema.String,
      handler: ({ n }) =>
        Effect.acquireUseRelease(
          Ref.update(inFlight, ({ most, now }) => ({ now: now + 1, most: Math.max(most, now + 1) })),
          () => Effect.as(Effect.sleep(((n * 7919) % 13) + 1), `r${n}`),
          () => Ref.update(inFlight, (state) => ({ ...state, now: state.now - 1 }))
        )
    })
    const numbers = Array.from({ length: 200 }, (_, n) => n)
    const fiber = yield* Effect.fork(run(agentWith(Toolset.make(slow), { toolCalls: 500 }), [
      Scripted.calls(...numbers.map((n) => ["slow", { n }] as const)),
      Scripted.text("done")
    ]))
    yield* TestClock.adjust("10 minutes")
    const { requests } = yield* Fiber.join(fiber)
    expect(yield* Ref.get(inFlight)).toEqual({ now: 0, most: 8 })
    expect(toolMessages(requests[1]!.messages).map((m) => m.content)).toEqual(numbers.map((n) => `r${n}`))
  }))

it.effect("a tool's own limit holds, and waiting for it blocks no other tool", () =>
  Effect.gen(function*() {
    const order = yield* Ref.make<ReadonlyArray<string>>([])
    const tool = (name: string, concurrency: number) =>
      AgentTool.make(name, {
        description: "x",
        parameters: Numbered,
        success: Schema.String,
        concurrency,
        handler: ({ n }) =>
          Effect.sleep("1 second").pipe(
            Effect.zipRight(Ref.update(order, (all) => [...all, `${name}${n}`])),
            Effect.as("")
          )
      })
    const fiber = yield* Effect.fork(
      run(agentWith(Toolset.make(tool("one", 1), tool("many", 8)), { parallelTools: 2 }), [
        Scripted.calls(["one", { n: 1 }], ["one", { n: 2 }], ["one", { n: 3 }], ["many", { n: 1 }]),
        Scripted.text("done")
      ])
    )
    yield* TestClock.adjust("1 second")
    expect((yield* Ref.get(order)).toSorted()).toEqual(["many1", "one1"])
    yield* TestClock.adjust("2 seconds")
    yield* Fiber.join(fiber)
    expect((yield* Ref.get(order)).slice(2)).toEqual(["one2", "one3"])
  }))

it.effect("a tool starts as soon as its arguments are complete, while the model still streams", () =>
  Effect.gen(function*() {
    const started = yield* Deferred.make<void>()
    const early = AgentTool.make("early", {
      description: "x",
      parameters: Schema.Struct({}),
      success: Schema.String,
      handler: () => Effect.as(Deferred.succeed(started, undefined), "ok")
    })
    const first = Stream.make<Array<ChatModel.ModelEvent>>(
      { _tag: "ToolCallDelta", index: 0, id: "a", name: "early", arguments: "{" },
      { _tag: "ToolCallDelta", index: 0, id: undefined, name: undefined, arguments: "}" }
    )
    // The model ends only after the tool has started: this hangs when tools wait for the end.
    const rest = Stream.fromEffect(
      Effect.as(Deferred.await(started), { _tag: "Finish", reason: "tool_calls" } as const)
    )
    const { result } = yield* run(agentWith(Toolset.make(early)), [Stream.concat(first, rest), Scripted.text("done")])
    expect(result.outcome).toBe("completed")
  }))

it.effect("the fourth identical call is refused", () =>
  Effect.gen(function*() {
    const { result } = yield* run(agentWith(Toolset.make(double)), (_, turn) =>
      turn < 5 ? Scripted.calls(["double", { n: 1 }]) : Scripted.text("ok"))
    expect(
      resultErrors(result.events).map((error) =>
        error?.reason
      )
    ).toEqual([
      undefined,
      undefined,
      undefined,
      "repeated",
      "repeated"
    ])
  }))

it.effect.prop(
  "the step limit is met exactly, with a last answer without tools",
  [FC.integer({ min: 1, max: 12 })],
  ([steps]) =>
    Effect.gen(function*() {
      const { requests, result } = yield* run(
        agentWith(Toolset.make(double), { steps }),
        (request, turn) =>
          request.toolChoice === "none" ? Scripted.text("enough") : Scripted.calls(["double", { n: turn }])
      )
      expect(requests.map((request) => request.toolChoice)).toEqual([
        ...Array.from({ length: steps }, () => "auto"),
        "none"
      ])
      expect(result).toMatchObject({ outcome: "limited", limit: "steps", text: "enough" })
      expect(resultErrors(result.events)).toHaveLength(steps)
      expect(requests.at(-1)!.messages.at(-1)!.content).toContain("limit of steps")
    }),
  { fastCheck: { numRuns: 20 } }
)

it.effect.prop(
  "never more tools than allowed run",
  [FC.integer({ min: 1, max: 20 }), FC.integer({ min: 1, max: 9 })],
  ([
    toolCalls,
    perStep
  ]) =>
    Effect.gen(function*() {
      const ran = yield* Ref.make(0)
      const counted = AgentTool.make("counted", {
        description: "x",
        parameters: Schema.Struct({ n: Schema.String }),
        success: Schema.Void,
        handler: () => Ref.update(ran, (n) => n + 1)
      })
      const { result } = yield* run(agentWith(Toolset.make(counted), { toolCalls, steps: 100 }), (request, turn) =>
        request.toolChoice === "none"
          ? Scripted.text("enough")
          : Scripted.calls(...Array.from({ length: perStep }, (_, i) =>
            ["counted", { n: `${turn}.${i}` }] as const)))
      expect(yield* Ref.get(ran)).toBe(toolCalls)
      expect(result).toMatchObject({ outcome: "limited", limit: "toolCalls" })
    }),
  { fastCheck: { numRuns: 20 } }
)

it.effect("the token limit begins no further step", () =>
  Effect.gen(function*() {
    const { requests, result } = yield* run(agentWith(Toolset.make(double), { tokens: 100 }), (request, turn) =>
      request.toolChoice === "none"
        ? Scripted.text("enough")
        : [{ _tag: "Usage", inputTokens: 40, outputTokens: 10 }, ...Scripted.calls(["double", { n: turn }])])
    expect(requests).toHaveLength(3)
    expect(result).toMatchObject({ outcome: "limited", limit: "tokens", inputTokens: 80, outputTokens: 20 })
  }))

it.effect("when time is up, tools are interrupted, their calls closed, and an answer is given", () =>
  Effect.gen(function*() {
    const stopped = yield* Ref.make(0)
    const hang = AgentTool.make("hang", {
      description: "x",
      parameters: Numbered,
      success: Schema.String,
      timeout: "1 hour",
      handler: ({ n }) =>
        n === 0 ? Effect.succeed("quick") : Effect.onInterrupt(Effect.never, () => Ref.update(stopped, (m) => m + 1))
    })
    const fiber = yield* Effect.fork(run(agentWith(Toolset.make(hang), { wallClock: "1 minute" }), [
      Scripted.calls(["hang", { n: 0 }], ["hang", { n: 1 }]),
      Scripted.text("partly")
    ]))
    yield* TestClock.adjust("1 minute")
    const { requests, result } = yield* Fiber.join(fiber)
    expect(yield* Ref.get(stopped)).toBe(1)
    expect(result).toMatchObject({ outcome: "limited", limit: "wallClock", text: "partly" })
    expect(toolMessages(requests[1]!.messages).map((m) => [m.content === "quick", m.failed])).toEqual([
      [true, false],
      [false, true]
    ])
  }))

it.effect("a model that is silent in its last answer as well does not keep the run going", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(run(agentWith(Toolset.empty, { wallClock: "1 minute" }), () => Stream.never))
    yield* TestClock.adjust("2 minutes")
    const { result } = yield* Fiber.join(fiber)
    expect(result).toMatchObject({ outcome: "limited", limit: "wallClock" })
    expect(result.text).toContain("limit of time")
  }))

it.effect("a model that fails, dies or says nothing fails the run with a typed error", () =>
  Effect.gen(function*() {
    const scripts: ReadonlyArray<ReadonlyArray<Scripted.Answer>> = [
      [],
      [[{ _tag: "Finish", reason: "stop" }]],
      [Stream.die(new Error("bug"))]
    ]
    const reasons = yield* Effect.forEach(
      scripts,
      (script) => Effect.map(Effect.flip(run(agentWith(Toolset.empty), script)), (error) => error.reason)
    )
    expect(reasons).toEqual(["Rejected", "Empty", "Defect"])
  }))

it.effect("events are numbered from 1 without gaps, and leave a log that decodes to itself", () =>
  Effect.gen(function*() {
    const { result } = yield* run(agentWith(Toolset.make(double)), [
      Scripted.calls(["double", { n: 1 }], ["no", {}]),
      Scripted.text("a", "b")
    ])
    expect(result.events.map((event) => event.seq)).toEqual(result.events.map((_, index) => index + 1))
    expect(result.events[0]?._tag).toBe("RunStarted")
    expect(result.events.at(-1)?._tag).toBe("RunFinished")
    const log = Schema.parseJson(Schema.Array(AgentEvent.AgentEvent))
    const decoded = yield* Effect.flatMap(Schema.encode(log)(result.events), Schema.decode(log))
    expect(decoded).toEqual(result.events)
  }))

it.effect("a long result is cut, with a notice", () =>
  Effect.gen(function*() {
    const long = AgentTool.make("long", {
      description: "x",
      parameters: Schema.Struct({}),
      success: Schema.String,
      annotations: { openWorld: true },
      maxResultChars: 10,
      handler: () => Effect.succeed("0123456789abc")
    })
    const { requests } = yield* run(agentWith(Toolset.make(long)), [Scripted.calls(["long", {}]), Scripted.text("ok")])
    const [message] = toolMessages(requests[1]!.messages)
    expect(message?.content.startsWith("0123456789\n[Cut: the result has 13 characters")).toBe(true)
    expect(message?.untrusted).toBe(true)
  }))

it.effect("leaving the stream stops the model and the tools", () =>
  Effect.gen(function*() {
    const left = yield* Ref.make<ReadonlyArray<string>>([])
    const note = (what: string) => Ref.update(left, (all) => [...all, what])
    const hang = AgentTool.make("hang", {
      description: "x",
      parameters: Schema.Struct({}),
      success: Schema.String,
      handler: () => Effect.onInterrupt(Effect.never, () => note("tool"))
    })
    const answer = Stream.concat(Stream.fromIterable(Scripted.calls(["hang", {}]).slice(0, 1)), Stream.never).pipe(
      Stream.ensuring(note("model"))
    )
    const events = yield* Agent.stream(agentWith(Toolset.make(hang)), { message: "go" }).pipe(
      Stream.takeUntil((event) => event._tag === "ToolCallReady"),
      Stream.runCollect,
      Effect.provideService(ChatModel.ChatModel, Scripted.make([answer]))
    )
    expect(Chunk.last(events).pipe(Option.map((event) => event._tag))).toEqual(Option.some("ToolCallReady"))
    expect((yield* Ref.get(left)).toSorted()).toEqual(["model", "tool"])
  }))

it.effect("a slow reader makes the model wait", () =>
  Effect.gen(function*() {
    const produced = yield* Ref.make(0)
    const endless = Stream.repeatEffect(
      Effect.as(Ref.update(produced, (n) => n + 1), { _tag: "TextDelta", text: "." } as const)
    )
    const seen = yield* Ref.make(0)
    yield* Effect.scoped(Effect.gen(function*() {
      const pull = yield* Stream.toPull(Agent.stream(agentWith(Toolset.empty), { message: "go" }))
      yield* pull
      yield* Effect.repeatN(Effect.yieldNow(), 2000)
      yield* Ref.set(seen, yield* Ref.get(produced))
    })).pipe(Effect.provideService(ChatModel.ChatModel, Scripted.make([endless])))
    expect(yield* Ref.get(seen)).toBeLessThan(200)
  }))

it.effect("history with an unanswered call is repaired before it is sent", () =>
  Effect.gen(function*() {
    const model = Scripted.make([Scripted.text("ok")])
    const call = { id: "x", name: "double", arguments: "{}" }
    yield* Agent.run(agentWith(Toolset.make(double)), {
      message: "go",
      history: [Message.user("before"), Message.assistant("", [call])]
    }).pipe(Effect.provideService(ChatModel.ChatModel, model))
    expect(model.requests[0]!.messages.map((message) => message.role)).toEqual([
      "system",
      "user",
      "assistant",
      "tool",
      "user"
    ])
  }))
