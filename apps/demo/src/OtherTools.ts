/** Tools of MCP servers: what `SENNIT_MCP_SERVERS` names, beside the assistant's own. */
import type * as HttpClient from "@effect/platform/HttpClient"
import { type Files, McpClient, Toolset } from "@sennit/agent"
import * as PooledClient from "@sennit/http-client/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

export class OtherTools extends Context.Tag("@sennit/demo/OtherTools")<OtherTools, {
  /**
   * What can be called now: take it anew for every answer. What says that it only reads is run at once, anything else
   * waits for the person. The servers are started when this is first asked for, and waited for once.
   */
  readonly toolset: Effect.Effect<Toolset.Toolset<Files.Files>>
  /** How the servers are. */
  readonly servers: Effect.Effect<ReadonlyArray<McpClient.ServerState>>
}>() {}

/** A server, and what it offers that is not given to the model, for people; `tells` says whether why it is not there. */
export const describe = ({ connected, detail, name, tools }: McpClient.ServerState, tells: boolean) => ({
  name,
  connected,
  detail: tells ? detail : "`sennit doctor` says why.",
  withheld: tools.flatMap((tool) => {
    if (tool.unusable !== undefined) return [{ name: tool.name, why: tool.unusable }]
    const why =
      "It says something else about itself than at first. Look at the server, then start Sennit anew to take it."
    return tool.approved ? [] : [{ name: tool.name, why }]
  })
})

const none = OtherTools.of({ toolset: Effect.succeed(Toolset.empty), servers: Effect.succeed([]) })

const make = Effect.fnUntraced(function*(servers: ReadonlyArray<McpClient.Server>) {
  const context = yield* Effect.context<HttpClient.HttpClient | Scope.Scope>()
  // Whoever asks first may go away; the others wait for the same start.
  const starting = yield* Effect.cached(
    Effect.uninterruptible(Effect.provide(Effect.forkScoped(Effect.interruptible(McpClient.make(servers))), context))
  )
  const client = Effect.flatMap(starting, Fiber.join)
  return OtherTools.of({
    toolset: Effect.map(Effect.flatMap(client, ({ toolset }) => toolset), (all) => Toolset.approve(all)),
    servers: Effect.flatMap(client, (started) => started.servers)
  })
})

/** Starts nothing where no server is named. */
export const layer = (servers: ReadonlyArray<McpClient.Server>): Layer.Layer<OtherTools> =>
  servers.length === 0
    ? Layer.succeed(OtherTools, none)
    : Layer.provide(Layer.scoped(OtherTools, make(servers)), PooledClient.layerPooled())
