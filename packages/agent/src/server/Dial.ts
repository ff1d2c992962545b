/**
 * Agents as deployments of DIAL: chat completions with stages, attachments and
 * state in `custom_content`, and `rate`, `tokenize` and `configuration`.
 *
 * @since 0.1.0
 */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { EndpointError } from "../AgentError.ts"
import type { AgentEvent } from "../AgentEvent.ts"
import { toMessages } from "../AgentEvent.ts"
import * as Conversation from "../Conversation.ts"
import type { CompletionWriter } from "../internal/answerChat.ts"
import { answerChat } from "../internal/answerChat.ts"
import type { ChatRequest as Request } from "../internal/chatRequest.ts"
import { ChatRequest, readChatRequest, textOf, turnOf } from "../internal/chatRequest.ts"
import { DialChunks, mergeDeltas } from "../internal/dialChunks.ts"
import { Message } from "../Message.ts"
import { StateSealer } from "../StateSealer.ts"
import type { Caller, Options as EndpointOptions } from "./Endpoint.ts"
import { errorResponse, PerUser, readBody, readCaller, refusal } from "./Endpoint.ts"
import { usageOf } from "./OpenAi.ts"

/**
 * Where the calls of tools of earlier answers are kept.
 *
 * - `server`: in the `Conversation` of this side; the client holds only an id
 *   that is of no use to others
 * - `portable`: with the client, sealed by the `StateSealer` for this user,
 *   conversation, deployment and turn
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<R> extends EndpointOptions<R> {
  /** Default: `server`. */
  readonly state?: "server" | "portable"
  /** Told of every rating. Default: ratings are taken and dropped. */
  readonly rated?: (rating: {
    readonly caller: Caller
    readonly deployment: string
    readonly responseId: string
    readonly rate: boolean
  }) => Effect.Effect<void>
}

interface States {
  readonly pack: (turn: number, events: ReadonlyArray<AgentEvent>) => Effect.Effect<unknown, EndpointError>
  readonly unpack: (state: unknown, turn: number) => Effect.Effect<ReadonlyArray<Message>, EndpointError>
}

const Turn = Schema.parseJson(Schema.Array(Message))
const encodeTurn = Schema.encode(Turn)
const decodeTurn = Schema.decode(Turn)
const Pointer = Schema.Struct({ v: Schema.Literal(1), turn: Schema.String })
const Sealed = Schema.Struct({ v: Schema.Literal(1), sealed: Schema.String })

const invalidState = () =>
  refusal(400, "A state was changed, or belongs to another conversation, user or turn.", { code: "invalid_state" })

/** What the run added after the user's message. */
const added = (events: ReadonlyArray<AgentEvent>): ReadonlyArray<Message> =>
  toMessages(events).filter(({ role }) => role !== "user")

const onServer = (conversations: typeof Conversation.Conversation.Service, { conversation, user }: Caller): States => ({
  pack: (_, events) =>
    Effect.map(conversations.append({ user, conversation }, added(events)), (turn) => ({ v: 1, turn })),
  unpack: (state) =>
    Option.match(Schema.decodeUnknownOption(Pointer)(state), {
      onNone: () => Effect.fail(invalidState()),
      onSome: ({ turn }) =>
        Effect.flatMap(conversations.get({ user, conversation }, turn), (messages) =>
          Option.match(messages, {
            onNone: () => Effect.fail(invalidState()),
            onSome: Effect.succeed
          }))
    })
})

const withClient = (
  sealer: typeof StateSealer.Service,
  { conversation, user }: Caller,
  deployment: string
): States => ({
  pack: (turn, events) =>
    encodeTurn(added(events)).pipe(
      Effect.flatMap((text) => sealer.seal({ user, conversation, deployment, turn }, new TextEncoder().encode(text))),
      Effect.mapBoth({
        onFailure: () =>
          refusal(500, "The state of the conversation could not be sealed.", { code: "state_too_large" }),
        onSuccess: (sealed) => ({ v: 1, sealed })
      })
    ),
  unpack: (state, turn) =>
    Option.match(Schema.decodeUnknownOption(Sealed)(state), {
      onNone: () => Effect.fail(invalidState()),
      onSome: ({ sealed }) =>
        sealer.open({ user, conversation, deployment, turn }, sealed).pipe(
          Effect.flatMap((bytes) => decodeTurn(new TextDecoder().decode(bytes))),
          Effect.mapError(invalidState)
        )
    })
})

const makeWriter = (
  deployment: string,
  created: number,
  pack: (events: ReadonlyArray<AgentEvent>) => Effect.Effect<unknown, EndpointError>
): CompletionWriter => {
  const common = { id: crypto.randomUUID(), object: "chat.completion.chunk", created, model: deployment }
  const deltas: Array<object> = []
  const dial = new DialChunks()
  let usage = {}
  const chunk = (delta: object, finish: string | null = null, used: object | null = null) => {
    deltas.push(delta)
    return { choices: [{ index: 0, finish_reason: finish, delta }], usage: used, ...common }
  }
  return {
    first: () => [chunk({ role: "assistant" })],
    chunks: (event) => {
      const delta = dial.delta(event)
      return delta === undefined ? [] : [chunk(delta)]
    },
    last: (events) =>
      Effect.map(pack(events), (state) => {
        usage = usageOf(events)
        return [chunk({ custom_content: { state } }), chunk({}, "stop", usage)]
      }),
    broken: () => [chunk({}, "stop")],
    whole: () => ({
      ...common,
      object: "chat.completion",
      choices: [{ index: 0, finish_reason: "stop", message: mergeDeltas(deltas) }],
      usage
    })
  }
}

const RateRequest = Schema.Struct({
  responseId: Schema.String,
  rate: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

const TokenizeRequest = Schema.Struct({
  inputs: Schema.Array(Schema.Union(
    Schema.Struct({ type: Schema.Literal("string"), value: Schema.String }),
    Schema.Struct({ type: Schema.Literal("request"), value: ChatRequest })
  ))
})

const refused = (error: EndpointError) => Effect.succeed(errorResponse(error))

/** What `tokenize` counts with: about four characters to a token. */
const estimate = (text: string): number => Math.ceil(text.length / 4)

const countTokens = ({ messages }: Request) =>
  Effect.map(Effect.forEach(messages, textOf), (texts) => texts.reduce((sum, text) => sum + 4 + estimate(text), 0))

/**
 * The routes, for a router of `HttpLayerRouter`, below `/openai/deployments`.
 * A request without `Api-Key` is refused with status 400, as DIAL's own SDK
 * does.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R>(
  options: Options<R>
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter | Conversation.Conversation | StateSealer> => {
  const perUser = new PerUser(options.maxPerUser ?? 8)

  const caller = readCaller(options).pipe(
    Effect.flatMap((found) =>
      Option.isNone(found.key) ? Effect.fail(refusal(400, "Api-Key header is required")) : Effect.succeed(found)
    )
  )

  const deployment = Effect.flatMap(HttpLayerRouter.params, ({ deployment: name = "" }) => {
    const agent = options.agents[name]
    const detail = "The API deployment for this resource does not exist."
    return agent === undefined
      ? Effect.fail(refusal(404, detail, { type: "runtime_error", code: "deployment_not_found" }))
      : Effect.succeed({ name, agent })
  })

  const completions = (
    conversations: typeof Conversation.Conversation.Service,
    sealer: typeof StateSealer.Service
  ) =>
    Effect.gen(function*() {
      const { agent, name } = yield* deployment
      const who = yield* caller
      yield* perUser.enter(who.user)
      const request = yield* readBody(ChatRequest, options)
      const states = options.state === "portable" ? withClient(sealer, who, name) : onServer(conversations, who)
      const asked = yield* readChatRequest(request, states.unpack)
      const services = yield* options.services(who)
      const created = Math.floor((yield* Effect.clockWith((clock) => clock.currentTimeMillis)) / 1000)
      const writer = makeWriter(name, created, (events) => states.pack(turnOf(request), events))
      return yield* answerChat(agent, asked, who, services, writer, request.stream === true)
    })

  const rate = Effect.gen(function*() {
    const { name } = yield* deployment
    const who = yield* caller
    const { rate: good, responseId } = yield* readBody(RateRequest, options)
    yield* options.rated?.({ caller: who, deployment: name, responseId, rate: good }) ?? Effect.void
    return HttpServerResponse.empty({ status: 200 })
  })

  const tokenize = Effect.gen(function*() {
    yield* deployment
    yield* caller
    const { inputs } = yield* readBody(TokenizeRequest, options)
    const outputs = yield* Effect.forEach(
      inputs,
      (input) =>
        Effect.match(input.type === "string" ? Effect.succeed(estimate(input.value)) : countTokens(input.value), {
          onFailure: ({ detail }) => ({ status: "error", error: detail }),
          onSuccess: (count) => ({ status: "success", token_count: count })
        })
    )
    return HttpServerResponse.unsafeJson({ outputs })
  })

  /** No deployment has settings: the schema of an empty object. */
  const configuration = Effect.map(
    Effect.zipRight(deployment, caller),
    () => HttpServerResponse.unsafeJson({ type: "object", properties: {}, additionalProperties: false })
  )

  return HttpLayerRouter.use((router) =>
    Effect.gen(function*() {
      const context = yield* Effect.context<Conversation.Conversation | StateSealer>()
      const answer = completions(
        Context.get(context, Conversation.Conversation),
        Context.get(context, StateSealer)
      )
      const path = "/openai/deployments/:deployment"
      yield* router.add("POST", `${path}/chat/completions`, Effect.catchAll(answer, refused))
      yield* router.add("POST", `${path}/rate`, Effect.catchAll(rate, refused))
      yield* router.add("POST", `${path}/tokenize`, Effect.catchAll(tokenize, refused))
      yield* router.add("GET", `${path}/configuration`, Effect.catchAll(configuration, refused))
    })
  )
}
