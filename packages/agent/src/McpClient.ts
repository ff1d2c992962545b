/**
 * Tools of MCP servers (Model Context Protocol), over a process's standard streams
 * or over HTTP.
 *
 * A server that is not there does not stop an agent: its tools are missing until it
 * is. What a tool says about itself is pinned when it is first seen; when it
 * changes, the tool is withheld until somebody approves what it says now.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Scope } from "effect/Scope"
import { McpError } from "./AgentError.ts"
import type { Files } from "./Files.ts"
import type { LiveServer } from "./internal/keepConnected.ts"
import { keepConnected } from "./internal/keepConnected.ts"
import { toTools } from "./internal/mcpTools.ts"
import * as Toolset from "./Toolset.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions {
  /** 1 to 20 of `A-Z a-z 0-9 -`; its tools are called `name__tool`. */
  readonly name: string
  /** How long a call may take; told progress begins the time anew. Default: 1 minute. */
  readonly timeout?: Duration.DurationInput
  /** How many calls may run at the same time, across runs. Default: 4. */
  readonly concurrency?: number
  /** What was approved before: the digests of tools by their names. Default: what is seen first is approved. */
  readonly pins?: Readonly<Record<string, string>>
  /** Only these tools of the server. Default: all. */
  readonly allow?: ReadonlyArray<string>
}

/**
 * A server that is a program: started with a small default environment and `env`,
 * and ended with the scope.
 *
 * @since 0.1.0
 * @category models
 */
export interface StdioServer extends ServerOptions {
  readonly command: string
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, Redacted.Redacted>>
  readonly cwd?: string
}

/**
 * A server that speaks streamable HTTP.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpServer extends ServerOptions {
  readonly url: string
  readonly headers?: Readonly<Record<string, Redacted.Redacted>>
}

/**
 * @since 0.1.0
 * @category models
 */
export type Server = StdioServer | HttpServer

/**
 * A tool as a server describes it now; `digest` is the SHA-256 of that description.
 * A tool that is not approved is withheld, and so is one that is `unusable`, with
 * the reason.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerTool {
  readonly name: string
  readonly description: string
  readonly digest: string
  readonly approved: boolean
  readonly unusable: string | undefined
}

/**
 * `detail` says why there is no connection; `attempts` counts since the last one.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerState {
  readonly name: string
  readonly connected: boolean
  readonly detail: string
  readonly attempts: number
  readonly tools: ReadonlyArray<ServerTool>
}

/**
 * `toolset` is what can be called now: take it anew for every run. `servers` tells
 * how they are. `approve` lets a tool be used as it is described by `digest`.
 *
 * @since 0.1.0
 * @category services
 */
export class McpClient extends Context.Tag("@sennit/agent/McpClient")<McpClient, {
  readonly toolset: Effect.Effect<Toolset.Toolset<Files>>
  readonly servers: Effect.Effect<ReadonlyArray<ServerState>>
  readonly approve: (server: string, tool: string, digest: string) => Effect.Effect<void, McpError>
}>() {}

const validName = /^[A-Za-z0-9-]{1,20}$/

/**
 * Connects to the servers, all at once, and waits until each has answered or failed
 * once. A connection that is lost is made again, after 0.5 seconds at first and 30 at
 * most. Throws when a name or an address is not valid, or two names are the same.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  servers: ReadonlyArray<Server>
): Effect.Effect<typeof McpClient.Service, never, HttpClient.HttpClient | Scope> => {
  checkServers(servers)
  return Effect.gen(function*() {
    const live = new Map<string, LiveServer>()
    const client = yield* HttpClient.HttpClient
    const started = yield* Effect.forEach(servers, (server) => keepConnected(server, client), {
      concurrency: "unbounded"
    })
    for (const server of started) live.set(server.options.name, server)
    return {
      toolset: Effect.sync(() => Toolset.make(...Array.from(live.values()).flatMap(toTools))),
      servers: Effect.sync(() => Array.from(live.values(), (server) => server.state())),
      approve: (name, tool, digest) =>
        Effect.suspend(() => {
          const server = live.get(name)
          const detail = server === undefined ? "There is no such server." : server.approve(tool, digest)
          return detail === undefined
            ? Effect.void
            : Effect.fail(new McpError({ reason: "NotFound", server: name, detail }))
        })
    }
  })
}

const checkServers = (servers: ReadonlyArray<Server>): void => {
  const names = new Set<string>()
  for (const server of servers) {
    if (!validName.test(server.name) || names.has(server.name)) {
      throw new TypeError(`A server's name is 1 to 20 of A-Z a-z 0-9 -, and its own; "${server.name}" is not`)
    }
    if ("url" in server && !URL.canParse(server.url)) {
      throw new TypeError(`The server "${server.name}" has no full address such as https://example.com/mcp`)
    }
    names.add(server.name)
  }
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (servers: ReadonlyArray<Server>): Layer.Layer<McpClient, never, HttpClient.HttpClient> =>
  Layer.scoped(McpClient, make(servers))
