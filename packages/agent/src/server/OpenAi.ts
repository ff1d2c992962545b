/**
 * Agents behind the OpenAI protocol: `POST /v1/chat/completions` and
 * `GET /v1/models`. What agents do with their tools is not shown: clients see
 * text, and `finish_reason` `stop`.
 *
 * @since 0.1.0
 */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { AgentEvent } from "../AgentEvent.ts"
import type { CompletionWriter } from "../internal/answerChat.ts"
import { answerChat } from "../internal/answerChat.ts"
import type { ChatRequest as Request } from "../internal/chatRequest.ts"
import { ChatRequest, readChatRequest } from "../internal/chatRequest.ts"
import { assistant } from "../Message.ts"
import type { Options } from "./Endpoint.ts"
import { errorResponse, PerUser, readBody, readCaller, refusal } from "./Endpoint.ts"

/** @internal The usage of the run so far, in the protocol's words. */
export const usageOf = (events: ReadonlyArray<AgentEvent>): object => {
  const usage = events.findLast((event) => event._tag === "UsageUpdated")
  const { inputTokens = 0, outputTokens = 0 } = usage ?? {}
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens
  }
}

const makeWriter = (request: Request, model: string, created: number): CompletionWriter => {
  const common = { id: `chatcmpl-${crypto.randomUUID()}`, object: "chat.completion.chunk", created, model }
  const withUsage = request.stream_options?.include_usage === true
  const chunk = (delta: object, finish: string | null = null) => ({
    ...common,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(withUsage ? { usage: null } : {})
  })
  let text = ""
  let usage = {}
  return {
    first: () => [chunk({ role: "assistant", content: "" })],
    chunks: (event) => {
      if (event._tag !== "TextDelta") return []
      text += event.text
      return [chunk({ content: event.text })]
    },
    last: (events) =>
      Effect.sync(() => {
        usage = usageOf(events)
        return [chunk({}, "stop"), ...(withUsage ? [{ ...common, choices: [], usage }] : [])]
      }),
    broken: () => [],
    whole: () => ({
      ...common,
      object: "chat.completion",
      choices: [{
        index: 0,
        message: { role: "assistant", content: text, refusal: null },
        logprobs: null,
        finish_reason: "stop"
      }],
      usage
    })
  }
}

/** The text of an earlier answer; a state is DIAL's, and is not looked at here. */
const noState = () => Effect.succeed([assistant("")])

/**
 * The routes, for a router of `HttpLayerRouter`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R>(options: Options<R>): Layer.Layer<never, never, HttpLayerRouter.HttpRouter> => {
  const perUser = new PerUser(options.maxPerUser ?? 8)

  const completions = Effect.gen(function*() {
    const caller = yield* readCaller(options)
    yield* perUser.enter(caller.user)
    const request = yield* readBody(ChatRequest, options)
    const agent = options.agents[request.model ?? ""]
    if (agent === undefined) {
      const detail = `The model "${request.model ?? ""}" does not exist.`
      return yield* refusal(404, detail, { code: "model_not_found", param: "model" })
    }
    const asked = yield* readChatRequest(request, noState)
    const services = yield* options.services(caller)
    const created = Math.floor((yield* Effect.clockWith((clock) => clock.currentTimeMillis)) / 1000)
    const writer = makeWriter(request, request.model ?? agent.name, created)
    return yield* answerChat(agent, asked, caller, services, writer, request.stream === true)
  })

  const models = Effect.map(readCaller(options), () =>
    HttpServerResponse.unsafeJson({
      object: "list",
      data: Object.keys(options.agents).map((id) => ({ id, object: "model", created: 0, owned_by: "sennit" }))
    }))

  return HttpLayerRouter.use((router) =>
    Effect.all([
      router.add(
        "POST",
        "/v1/chat/completions",
        Effect.catchAll(completions, (error) => Effect.succeed(errorResponse(error)))
      ),
      router.add("GET", "/v1/models", Effect.catchAll(models, (error) => Effect.succeed(errorResponse(error))))
    ], { discard: true })
  )
}
