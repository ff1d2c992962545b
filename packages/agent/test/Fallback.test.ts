import { expect, it } from "@effect/vitest"
import { AgentError, ChatModel, Fallback, Message } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

const failing = (fields: Partial<ConstructorParameters<typeof AgentError.ModelError>[0]> = {}) =>
  Scripted.make(() =>
    Stream.fail(new AgentError.ModelError({ reason: "ServerError", model: "first", detail: "d", ...fields }))
  )

const ask = (model: typeof ChatModel.ChatModel.Service) =>
  ChatModel.stream({ messages: [Message.user("x")], tools: [] }).pipe(
    Stream.filterMap((event) => event._tag === "TextDelta" ? Option.some(event.text) : Option.none()),
    Stream.runCollect,
    Effect.map((parts) => Chunk.toReadonlyArray(parts).join("")),
    Effect.provideService(ChatModel.ChatModel, model)
  )

it.effect("the next model is asked when nothing was seen of an answer, whatever the reason", () =>
  Effect.gen(function*() {
    for (const reason of ["ServerError", "Unauthorized", "Rejected", "RateLimited", "Timeout"] as const) {
      const second = Scripted.make(() => Scripted.text("second"))
      expect(yield* ask(Fallback.make([failing({ reason }), second]))).toBe("second")
      expect(second.requests).toHaveLength(1)
    }
  }))

it.effect("once something was seen nobody else is asked", () =>
  Effect.gen(function*() {
    const cut = new AgentError.ModelError({ reason: "Truncated", model: "first", detail: "d" })
    const first = Scripted.make(() =>
      Stream.concat(Stream.fromIterable(Scripted.text("half").slice(0, 1)), Stream.fail(cut))
    )
    const second = Scripted.make(() => Scripted.text("second"))
    expect(yield* Effect.flip(ask(Fallback.make([first, second])))).toBe(cut)
    expect(second.requests).toHaveLength(0)
  }))

it.effect("a model that said how long to wait is left out for so long, unless it is the last one", () =>
  Effect.gen(function*() {
    const busy = failing({ reason: "RateLimited", retryAfterMillis: 10_000 })
    const second = Scripted.make(() => Scripted.text("second"))
    const both = Fallback.make([busy, second])
    yield* ask(both)
    yield* ask(both)
    expect(busy.requests).toHaveLength(1)
    yield* TestClock.adjust("10 seconds")
    yield* ask(both)
    expect(busy.requests).toHaveLength(2)
    const alone = Fallback.make([busy])
    yield* Effect.flip(ask(alone))
    expect(yield* Effect.flip(ask(alone))).toMatchObject({ reason: "RateLimited" })
    expect(busy.requests).toHaveLength(4)
  }))

it.effect("says which models are behind it, and fails with the error of the last", () =>
  Effect.gen(function*() {
    const model = Fallback.make([failing(), failing({ model: "last" })])
    expect(model.name).toContain(", else ")
    expect(yield* Effect.flip(ask(model))).toMatchObject({ model: "last" })
  }))
