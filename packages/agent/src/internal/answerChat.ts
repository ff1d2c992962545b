import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Chunk from "effect/Chunk"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Agent, AgentInput } from "../Agent.ts"
import { stream } from "../Agent.ts"
import type { EndpointError } from "../AgentError.ts"
import type { AgentEvent } from "../AgentEvent.ts"
import type { ChatModel } from "../ChatModel.ts"
import type { Caller } from "../server/Endpoint.ts"
import { errorBody, eventStream, ofModelError, refusal, sse } from "../server/Endpoint.ts"
import type { Asked } from "./chatRequest.ts"

/** @internal A completion on its way: what of the events a protocol shows, in its own chunks. */
export interface CompletionWriter {
  /** The chunks that an event makes; they are merged for those who do not stream. */
  readonly chunks: (event: AgentEvent) => Array<object>
  /** What comes first, and what comes last when the run has ended well. */
  readonly first: () => Array<object>
  readonly last: (events: ReadonlyArray<AgentEvent>) => Effect.Effect<Array<object>, EndpointError>
  /** The end of an answer that broke off. */
  readonly broken: () => Array<object>
  /** The whole answer for those who do not stream. */
  readonly whole: (chunks: ReadonlyArray<object>) => object
}

/** After these the model has answered something, so that from here on errors are part of the answer. */
const isOutput = ({ _tag }: AgentEvent): boolean =>
  _tag === "TextDelta" || _tag === "ToolCallStarted" || _tag === "ReasoningDelta"

const write = (chunks: ReadonlyArray<object>): string => chunks.map((chunk) => sse(JSON.stringify(chunk))).join("")

/** What went wrong with a run that has ended, if anything. */
const failureOf = (event: AgentEvent | undefined): EndpointError | undefined =>
  event?._tag !== "RunFinished"
    ? undefined
    : event.error !== undefined
    ? ofModelError(event.error)
    : event.outcome === "stopped"
    ? refusal(503, "The answer was stopped.", { code: "stopped" })
    : undefined

/**
 * @internal
 * Runs the agent for one request. Whoever leaves ends the run; whoever reads
 * slowly slows it.
 */
export const answerChat = <R>(
  agent: Agent<R>,
  { input, instructions }: Asked,
  caller: Caller,
  services: Context.Context<ChatModel | R>,
  writer: CompletionWriter,
  streamed: boolean
): Effect.Effect<HttpServerResponse.HttpServerResponse, EndpointError, Scope> =>
  Effect.gen(function*() {
    const asked = instructions === ""
      ? agent
      : { ...agent, instructions: `${agent.instructions}\n\nThe application that asks adds:\n${instructions}` }
    const { conversation, user } = caller
    const owned: AgentInput = { ...input, user, ...(conversation === "" ? {} : { conversation }) }
    const pull = yield* Stream.toPull(Stream.provideContext(stream(asked, owned), services))
    const events: Array<AgentEvent> = []
    /** The next events; none after the last. */
    const next: Effect.Effect<Option.Option<ReadonlyArray<AgentEvent>>> = Effect.match(pull, {
      onFailure: Option.none,
      onSuccess: (chunk) => {
        const more = Chunk.toReadonlyArray(chunk)
        events.push(...more)
        return Option.some(more)
      }
    })
    const readUntil = (enough: (event: AgentEvent) => boolean): Effect.Effect<void> =>
      Effect.flatMap(next, (more) => Option.isNone(more) || more.value.some(enough) ? Effect.void : readUntil(enough))

    if (!streamed) {
      yield* readUntil(() => false)
      const failure = failureOf(events.at(-1))
      if (failure !== undefined) return yield* failure
      const chunks = [
        ...writer.first(),
        ...events.flatMap((event) => writer.chunks(event)),
        ...yield* writer.last(events)
      ]
      return HttpServerResponse.unsafeJson(writer.whole(chunks))
    }

    yield* readUntil(isOutput)
    const early = failureOf(events.at(-1))
    if (early !== undefined && !events.some(isOutput)) return yield* early
    const ending = Effect.suspend(() => {
      const failure = failureOf(events.at(-1))
      const broken = (error: EndpointError) => write([...writer.broken(), errorBody(error)])
      const text = failure === undefined
        ? Effect.match(writer.last(events), { onFailure: broken, onSuccess: write })
        : Effect.succeed(broken(failure))
      return Effect.map(text, (last) => `${last}${sse("[DONE]")}`)
    })
    const start = write([...writer.first(), ...events.flatMap((event) => writer.chunks(event))])
    const rest = Stream.repeatEffectOption(
      Effect.flatMap(next, (more) =>
        Option.isNone(more)
          ? Effect.fail(Option.none())
          : Effect.succeed(write(more.value.flatMap((event) => writer.chunks(event)))))
    )
    return eventStream(
      Stream.make(start).pipe(
        Stream.concat(rest),
        Stream.filter((text) => text !== ""),
        Stream.concat(Stream.fromEffect(ending))
      )
    )
  })
