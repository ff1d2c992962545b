import type * as HttpClient from "@effect/platform/HttpClient"
import type {
  CallToolResult,
  Client,
  ReadResourceResult,
  StreamableHTTPClientTransport,
  Tool
} from "@modelcontextprotocol/client"
import type * as SdkModule from "@modelcontextprotocol/client"
import type { StdioClientTransport } from "@modelcontextprotocol/client/stdio"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { Scope } from "effect/Scope"
import { McpError } from "../AgentError.ts"
import type { Server } from "../McpClient.ts"
import { makeFetch } from "./makeFetch.ts"

/** @internal One connection to a server. `closed` is done when it is of no use any more, with the reason. */
export interface Connection {
  readonly closed: Deferred.Deferred<string>
  readonly isOpen: () => boolean
  readonly hasResources: boolean
  readonly list: Effect.Effect<ReadonlyArray<Tool>, McpError>
  readonly call: (
    tool: string,
    args: Record<string, unknown>,
    onProgress: (text: string) => void
  ) => Effect.Effect<CallToolResult, McpError>
  readonly readResource: (uri: string) => Effect.Effect<ReadResourceResult, McpError>
  readonly listResources: Effect.Effect<ReadonlyArray<{ readonly uri: string; readonly name: string }>, McpError>
  readonly ping: Effect.Effect<void, McpError>
}

const connectTimeout = "15 seconds"
/** What a server says about itself when it fails is kept up to this length. */
const stderrChars = 1000

/** @internal */
export const connectMcp = (
  server: Server,
  httpClient: HttpClient.HttpClient,
  onToolsChanged: () => void
): Effect.Effect<Connection, McpError, Scope> =>
  Effect.gen(function*() {
    const sdk = yield* load(server, () => import("@modelcontextprotocol/client"))
    const { CfWorkerJsonSchemaValidator } = yield* load(
      server,
      () => import("@modelcontextprotocol/client/validators/cf-worker")
    )
    const validator = new CfWorkerJsonSchemaValidator()
    const closed = yield* Deferred.make<string>()
    const { describeEnd, transport } = yield* makeTransport(server, sdk, httpClient)
    const client = new sdk.Client({ name: "sennit-agent", version: "0.1.0" }, {
      // What a tool gives is not used by its schema, and a pattern in it could take for ever: none is checked.
      jsonSchemaValidator: { getValidator: <T>() => validator.getValidator<T>({}) },
      listChanged: { tools: { autoRefresh: false, onChanged: onToolsChanged } }
    })
    let open = true
    const lose = (detail: string) => {
      open = false
      Deferred.unsafeDone(closed, Effect.succeed(detail))
    }
    Object.assign(client, { onclose: () => lose(describeEnd()) })
    yield* Effect.acquireReleaseInterruptible(
      attempt(server, (signal) => client.connect(transport, { signal })),
      () => closeClient(client, transport)
    ).pipe(
      Effect.mapError((error) => withEnd(error, describeEnd())),
      Effect.timeoutFail({
        duration: connectTimeout,
        onTimeout: () => unavailable(server, withReason(`It did not answer within ${connectTimeout}.`, describeEnd()))
      })
    )
    const timeout = Duration.toMillis(server.timeout ?? "1 minute")
    const ask = <A>(request: (signal: AbortSignal) => Promise<A>) =>
      Effect.tapError(
        attempt(server, request),
        (error) => error.reason === "Unavailable" ? Effect.sync(() => lose(error.detail)) : Effect.void
      )
    return {
      closed,
      isOpen: () => open,
      hasResources: client.getServerCapabilities()?.resources !== undefined,
      list: client.getServerCapabilities()?.tools === undefined
        ? Effect.succeed([])
        : Effect.map(
          ask((signal) => client.listTools(undefined, { signal, timeout })),
          ({ tools }) => tools
        ),
      call: (name, args, onProgress) =>
        ask((signal) =>
          client.callTool({ name, arguments: args }, {
            signal,
            timeout,
            // A server that tells how far it is may take as long as its tool's own limit allows.
            resetTimeoutOnProgress: true,
            onprogress: ({ message, progress, total }) =>
              onProgress(message ?? `${progress}${total === undefined ? "" : ` of ${total}`}`)
          })
        ),
      readResource: (uri) => ask((signal) => client.readResource({ uri }, { signal, timeout })),
      listResources: Effect.map(
        ask((signal) => client.listResources(undefined, { signal, timeout })),
        ({ resources }) => resources.map(({ name, uri }) => ({ name, uri }))
      ),
      ping: Effect.asVoid(ask((signal) => client.ping({ signal, timeout: 10_000 })))
    }
  })

const load = <A>(server: Server, module: () => Promise<A>): Effect.Effect<A, McpError> =>
  Effect.tryPromise({
    try: module,
    catch: (cause) =>
      new McpError({
        reason: "Failed",
        server: server.name,
        detail: "MCP needs the package @modelcontextprotocol/client: npm install @modelcontextprotocol/client",
        cause
      })
  })

type Made = StreamableHTTPClientTransport | StdioClientTransport

type Sdk = typeof SdkModule

const makeTransport = (
  server: Server,
  sdk: Sdk,
  httpClient: HttpClient.HttpClient
): Effect.Effect<{ readonly transport: Made; readonly describeEnd: () => string }, McpError> => {
  if ("url" in server) {
    return Effect.map(makeFetch(httpClient), (fetch) => ({
      transport: new sdk.StreamableHTTPClientTransport(new URL(server.url), {
        fetch,
        requestInit: { headers: reveal(server.headers) }
      }),
      describeEnd: () => "The connection was closed."
    }))
  }
  return Effect.map(load(server, () => import("@modelcontextprotocol/client/stdio")), (stdio) => {
    const transport = new stdio.StdioClientTransport({
      command: server.command,
      args: [...(server.args ?? [])],
      env: { ...stdio.getDefaultEnvironment(), ...reveal(server.env) },
      stderr: "pipe",
      ...(server.cwd === undefined ? {} : { cwd: server.cwd })
    })
    let said = ""
    transport.stderr?.on("data", (bytes: Uint8Array) => {
      said = `${said}${new TextDecoder().decode(bytes)}`.slice(-stderrChars)
    })
    return { transport, describeEnd: () => withReason("Its process ended.", said.trim()) }
  })
}

const reveal = (secrets: Readonly<Record<string, Redacted.Redacted>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, Redacted.value(value)]))

const withReason = (text: string, reason: string): string => reason === "" ? text : `${text} It said: ${reason}`

const withEnd = (error: McpError, end: string): McpError =>
  error.reason === "Unavailable" ? new McpError({ ...error, detail: `${error.detail} ${end}`.trim() }) : error

const unavailable = (server: Server, detail: string): McpError =>
  new McpError({ reason: "Unavailable", server: server.name, detail })

/** Ends the session of a server that keeps one, then the connection, which waits for the end of a process. */
const closeClient = (client: Client, transport: Made): Effect.Effect<void> => {
  const terminate = "terminateSession" in transport
    ? Effect.ignore(Effect.tryPromise(() => transport.terminateSession()))
    : Effect.void
  return terminate.pipe(
    Effect.timeout("2 seconds"),
    Effect.ignore,
    Effect.zipRight(Effect.ignore(Effect.tryPromise(() => client.close())))
  )
}

/** Interruption aborts the request, of which the SDK then tells the server. */
const attempt = <A>(server: Server, request: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, McpError> =>
  Effect.tryPromise({ try: request, catch: (cause) => toMcpError(server, cause) })

/** What the SDK says when the connection, and not the request, is at fault. */
const connectionCodes = new Set([
  "NOT_CONNECTED",
  "CONNECTION_CLOSED",
  "SEND_FAILED",
  "CLIENT_HTTP_FAILED_TO_OPEN_STREAM"
])

const toMcpError = (server: Server, cause: unknown): McpError => {
  const message = Predicate.hasProperty(cause, "message") ? String(cause.message) : String(cause)
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
  const status = Predicate.hasProperty(cause, "status") ? Number(cause.status) : 0
  const error = (reason: McpError["reason"], detail: string) => new McpError({ reason, server: server.name, detail })
  if (code === "REQUEST_TIMEOUT") return error("Timeout", `It did not answer in time (${message}).`)
  // 404 means that the server no longer knows the session (MCP 2025-11-25, Session Management).
  const lost = connectionCodes.has(code) || status === 404 || status >= 500 || cause instanceof TypeError ||
    /\b(?:ENOENT|EACCES|EPIPE|ECONNREFUSED|ECONNRESET)\b/.test(`${code} ${message}`)
  return error(lost ? "Unavailable" : "Failed", message)
}
