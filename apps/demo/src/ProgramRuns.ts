/**
 * The agent's protocol of runs, `/runs`, over a person's conversations: a run that a program starts is a question of a
 * conversation like any other. The page shows it, its log is sealed, and an erasure stops it and removes it.
 */
import { Agent, AgentError, AgentRuns, ChatModel } from "@sennit/agent"
import type * as Endpoint from "@sennit/agent/server/Endpoint"
import * as Runs from "@sennit/agent/server/Runs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { NoSuchConversation, StorageFailed } from "./ApiError.ts"
import * as Identity from "./Identity.ts"
import { Models } from "./Models.ts"
import { People } from "./People.ts"
import * as Programs from "./Programs.ts"

type Service = Context.Tag.Service<AgentRuns.AgentRuns>

const storeError = (runId: string) => ({ message }: { readonly message: string }) =>
  new AgentError.RunStoreError({ reason: "Unavailable", runId, detail: message })

const isOver = ({ outcome }: AgentRuns.RunStatus) => outcome !== undefined && outcome !== "suspended"

const named = (found: AgentRuns.RunStatus): AgentRuns.RunStatus => ({ ...found, user: Identity.nameOf(found.user) })

const gone = (runId: string) => (error: NoSuchConversation | StorageFailed) =>
  error._tag === "NoSuchConversation" ? new AgentError.RunNotFound({ runId }) : storeError(runId)(error)

const refuse = (runId: string, reason: AgentError.RunStateError["reason"], detail: string) =>
  new AgentError.RunStateError({ runId, reason, detail })

/** Runs as the protocol knows them; whose they are is an account's name, whatever that account's present id. */
const ofConversations = Effect.gen(function*() {
  const runs = yield* AgentRuns.AgentRuns
  const people = yield* People
  const status: Service["status"] = (runId) => Effect.map(runs.status(runId), named)
  const conversationsOf = (name: string, runId: string) =>
    Effect.mapBoth(people.get(name), {
      onFailure: storeError(runId),
      onSuccess: ({ conversations }) => conversations
    })

  /** Where a run is, and what its conversation can do. */
  const find = Effect.fnUntraced(function*(runId: string) {
    const found = yield* status(runId)
    return { found, conversations: yield* conversationsOf(found.user, runId) }
  })

  return AgentRuns.AgentRuns.of({
    attach: runs.attach,
    status,
    // Which tools and which model answer, the conversation decides.
    start: Effect.fn("ProgramRuns.start")(function*(_, { attachments = [], conversation = "", message, user = "" }) {
      const conversations = yield* conversationsOf(user, "")
      const { id } = conversation === ""
        ? yield* Effect.mapError(conversations.create, storeError(""))
        : { id: conversation }
      const busy = conversations.runs.pipe(
        Stream.filter((found) => found.conversation === id && !isOver(found)),
        Stream.runHead,
        Effect.map(Option.match({ onNone: () => id, onSome: ({ runId }) => runId })),
        Effect.flatMap((runId) => new AgentError.RunAlreadyExists({ runId }))
      )
      const { run } = yield* conversations.ask(id, { question: message, attachments }).pipe(
        Effect.catchTags({
          ConversationBusy: () => busy,
          TooManyRuns: ({ limit }) => new AgentError.TooManyRuns({ limit }),
          NoSuchConversation: (error) => Effect.fail(storeError("")(error)),
          FileRefused: (error) => Effect.fail(storeError("")(error)),
          StorageFailed: (error) => Effect.fail(storeError("")(error))
        })
      )
      return yield* Effect.catchTag(status(run), "RunNotFound", (error) => Effect.fail(storeError(run)(error)))
    }),
    cancel: Effect.fn("ProgramRuns.cancel")(function*(runId) {
      const { conversations, found } = yield* find(runId)
      if (isOver(found)) return found
      yield* Effect.mapError(conversations.stop(found.conversation), gone(runId))
      return yield* status(runId)
    }),
    resume: Effect.fn("ProgramRuns.resume")(function*(_, runId) {
      const { conversations, found } = yield* find(runId)
      if (isOver(found)) return yield* refuse(runId, "Finished", `It has ended: ${found.outcome}.`)
      const resumed = yield* Effect.mapError(conversations.resume(found.conversation), gone(runId))
      if (!resumed) return yield* refuse(runId, "Running", "It goes on in this process.")
      return yield* status(runId)
    }),
    approve: Effect.fn("ProgramRuns.approve")(function*(runId, callId, decision) {
      const { conversations, found } = yield* find(runId)
      if (isOver(found)) return yield* refuse(runId, "NothingToDecide", `It has ended: ${found.outcome}.`)
      yield* conversations.decide(found.conversation, callId, decision).pipe(
        Effect.mapError((error) =>
          error._tag === "NothingToDecide" ? refuse(runId, "NothingToDecide", error.message) : gone(runId)(error)
        )
      )
      return yield* status(runId)
    }),
    list: ({ conversation, unfinished = false, user = "" } = {}) =>
      Stream.unwrap(Effect.map(conversationsOf(user, ""), (conversations) => conversations.runs)).pipe(
        Stream.map(named),
        Stream.filter((found) => conversation === undefined || found.conversation === conversation),
        Stream.filter((found) => !unfinished || !isOver(found))
      )
  })
})

const makeOptions = Effect.fnUntraced(function*(name: string) {
  const people = yield* People
  const models = yield* Models
  const authenticate = yield* Programs.authenticate
  // The conversation's own model and tools answer; this says only that it may be asked.
  const services: Endpoint.Options<never>["services"] = ({ conversation, user }) =>
    Effect.gen(function*() {
      const { conversations } = yield* Effect.mapError(people.get(user), Programs.refusal(503, "runtime_error"))
      if (conversation !== "") {
        yield* Effect.mapError(conversations.find(conversation), (error) =>
          Programs.refusal(error._tag === "NoSuchConversation" ? 404 : 503, "invalid_request_error")(error))
      }
      return Context.make(ChatModel.ChatModel, models.get())
    })
  const agents = { [name]: Agent.make({ name, instructions: "" }) }
  return { agents, authenticate, services } satisfies Endpoint.Options<never>
})

/** The routes; `agent` is the name that programs give. */
export const layer = (agent: string) =>
  Layer.unwrapEffect(
    Effect.map(makeOptions(agent), (options) =>
      Layer.provide(Runs.layer(options), Layer.effect(AgentRuns.AgentRuns, ofConversations)))
  )
