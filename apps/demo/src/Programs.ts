/** The assistant behind other people's protocols: OpenAI's `/v1/chat/completions`, and DIAL's deployments. */
import { type Agent, AgentError, ChatModel, Conversation, Files, Memory } from "@sennit/agent"
import type { CodeSandbox, Documents, WebClient } from "@sennit/agent"
import * as SessionsSealer from "@sennit/agent/adapters/SessionsSealer"
import * as Dial from "@sennit/agent/server/Dial"
import type * as Endpoint from "@sennit/agent/server/Endpoint"
import * as OpenAi from "@sennit/agent/server/OpenAi"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Accounts } from "./Accounts.ts"
import * as Identity from "./Identity.ts"
import { Models } from "./Models.ts"
import { People } from "./People.ts"

/** What is the same for everybody. */
type World = CodeSandbox.CodeSandbox | Documents.Documents | WebClient.WebClient

/** What one program may use for one person. */
export type Needs = World | Files.Files | Memory.Memory

export const refusal = (status: number, type: string) => ({ message }: { readonly message: string }) =>
  new AgentError.EndpointError({ status, type, detail: message })

/** Whoever the cookie, the key or the bearer token of a request belongs to. */
export const authenticate: Effect.Effect<Endpoint.Options<never>["authenticate"], never, Accounts> = Effect.map(
  Accounts,
  (accounts) => ({ request }) =>
    Effect.mapError(
      accounts.nameOf(request.headers),
      (error) => refusal(error._tag === "NotSignedIn" ? 401 : 503, "authentication_error")(error)
    )
)

const makeOptions = Effect.fnUntraced(function*(agent: Agent.Agent<Needs>) {
  const people = yield* People
  const models = yield* Models
  const world = yield* Effect.context<World>()
  // These protocols bring no files of a conversation.
  const files = yield* Layer.build(Files.layerMemory({}))
  const options: Endpoint.Options<Needs> = {
    agents: { [agent.name]: agent },
    authenticate: yield* authenticate,
    services: ({ user }) =>
      Effect.map(Effect.mapError(people.get(user), refusal(503, "runtime_error")), ({ memory }) =>
        world.pipe(
          Context.merge(files),
          Context.add(Memory.Memory, memory),
          Context.add(ChatModel.ChatModel, models.get())
        ))
  }
  return options
})

/** The routes; `agent` answers. */
export const layer = (agent: Agent.Agent<Needs>) =>
  Layer.unwrapScoped(Effect.map(makeOptions(agent), (options) =>
    Layer.mergeAll(
      OpenAi.layer(options),
      Layer.provide(Dial.layer(options), [Conversation.layerMemory(), SessionsSealer.layer({ app: Identity.app })])
    )))
