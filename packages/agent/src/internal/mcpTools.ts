import type { CallToolResult, ReadResourceResult } from "@modelcontextprotocol/client"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import { McpError } from "../AgentError.ts"
import type { FilesError } from "../AgentError.ts"
import type { AgentTool, Annotations, Arguments, Stage } from "../AgentTool.ts"
import { fromJsonSchema, make } from "../AgentTool.ts"
import { createNew, Files } from "../Files.ts"
import type { Connection } from "./connectMcp.ts"
import type { Described, LiveServer } from "./keepConnected.ts"

/** A call that goes on telling its progress ends after this long all the same. */
const longest = "10 minutes"
const maxFileBytes = 10 * 1024 * 1024

/** @internal The tools of a server that can be called now. */
export const toTools = (server: LiveServer): ReadonlyArray<AgentTool<Files>> => {
  const connection = server.connection()
  if (connection === undefined) return []
  const usable = server.described().filter((one) => one.unusable === undefined && server.isApproved(one))
  const names = new Set<string>()
  const tools = usable.map((one) => {
    const name = uniqueName(server.options.name, one, names)
    names.add(name)
    return callable(server, one, name)
  })
  return connection.hasResources ? [...tools, ...resourceTools(server, names)] : tools
}

const maxNameChars = 64

/** Names of models are short and plain; those of servers need not be. */
const uniqueName = (server: string, { digest, tool }: Described, taken: ReadonlySet<string>): string => {
  const name = `${server}__${tool.name.replace(/[^A-Za-z0-9_-]/g, "_")}`
  return name.length <= maxNameChars && !taken.has(name)
    ? name
    : `${name.slice(0, maxNameChars - 9)}_${digest.slice(0, 8)}`
}

const limits = ({ options, permits }: LiveServer) => ({
  timeout: Duration.max(Duration.decode(longest), Duration.decode(options.timeout ?? "1 minute")),
  server: permits,
  maxResultChars: 20_000
})

/** A server's word about itself is taken only where it makes us more careful. */
const annotationsOf = ({ tool }: Described): Annotations => ({
  sideEffect: tool.annotations?.readOnlyHint === true
    ? "none"
    : tool.annotations?.idempotentHint === true
    ? "idempotent"
    : "once",
  openWorld: true
})

/** Where the keys of an object are names and no words of JSON Schema. */
const maps = new Set(["properties", "$defs", "definitions", "dependentSchemas"])

/** A pattern that a server made could take for ever on a text that it also made: the server checks its own. */
const withoutPatterns = (schema: object, names = false): object =>
  Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => names || (key !== "pattern" && key !== "patternProperties"))
      .map(([key, value]: [string, unknown]) => [key, withoutPatternsIn(value, !names && maps.has(key))])
  )

const withoutPatternsIn = (value: unknown, names: boolean): unknown =>
  Array.isArray(value)
    ? value.map((item: unknown) => withoutPatternsIn(item, false))
    : typeof value === "object" && value !== null
    ? withoutPatterns(value, names)
    : value

const callable = (server: LiveServer, described: Described, name: string): AgentTool<Files> =>
  fromJsonSchema(name, {
    description: described.tool.description ?? described.tool.title ?? described.tool.name,
    parameters: withoutPatterns(described.tool.inputSchema),
    success: Schema.String,
    annotations: annotationsOf(described),
    ...limits(server),
    handler: Effect.fn("McpClient.call")(function*(args, { stage }) {
      const connection = yield* connected(server)
      const now = server.described().find(({ tool }) => tool.name === described.tool.name)
      if (now === undefined || now.digest !== described.digest || !server.isApproved(now)) {
        return yield* new McpError({
          reason: "Changed",
          server: server.options.name,
          detail: `The tool "${described.tool.name}" is not what it was when this run began. Nothing was called.`
        })
      }
      const result = yield* callWithProgress(connection, described.tool.name, args, stage)
      const text = yield* describeResult({ server: server.options.name, stage }, result)
      return result.isError === true
        ? yield* new McpError({ reason: "Failed", server: server.options.name, detail: text })
        : text
    })
  })

/** How many reports of progress of one call are shown; a server may send them without end. */
const maxReports = 100

const callWithProgress = (
  connection: Connection,
  tool: string,
  args: Arguments,
  stage: Stage
): Effect.Effect<CallToolResult, McpError> => {
  const show = (report: string) => stage.append(`${report}\n`)
  return Effect.scoped(Effect.gen(function*() {
    const reports = yield* Queue.dropping<string>(maxReports)
    const reader = yield* Effect.uninterruptibleMask((restore) => Effect.flatMap(restore(Queue.take(reports)), show))
      .pipe(
        Effect.repeatN(maxReports - 1),
        Effect.forkScoped
      )
    const result = yield* connection.call(tool, args, (report) => {
      reports.unsafeOffer(report)
    })
    // Reports may have come with the result.
    yield* Fiber.interrupt(reader)
    yield* Effect.forEach(yield* Queue.takeAll(reports), show, { discard: true })
    return result
  }))
}

const connected = (server: LiveServer): Effect.Effect<Connection, McpError> =>
  Effect.suspend(() => {
    const connection = server.connection()
    return connection === undefined
      ? Effect.fail(
        new McpError({
          reason: "Unavailable",
          server: server.options.name,
          detail: `It is not connected (${server.state().detail}); a new connection is being made. Try again.`
        })
      )
      : Effect.succeed(connection)
  })

const resourceTools = (server: LiveServer, taken: ReadonlySet<string>): ReadonlyArray<AgentTool<Files>> => {
  const { name } = server.options
  const tools: ReadonlyArray<AgentTool<Files>> = [
    make(`${name}__list_resources`, {
      description: `Lists what can be read from the server ${name}`,
      parameters: Schema.Struct({}),
      success: Schema.Array(Schema.Struct({ uri: Schema.String, name: Schema.String })),
      annotations: { openWorld: true },
      ...limits(server),
      handler: () => Effect.flatMap(connected(server), ({ listResources }) => listResources)
    }),
    make(`${name}__read_resource`, {
      description: `Reads something from the server ${name}`,
      parameters: Schema.Struct({ uri: Schema.String }),
      success: Schema.String,
      annotations: { openWorld: true },
      ...limits(server),
      handler: ({ uri }, { stage }) =>
        Effect.flatMap(connected(server), ({ readResource }) => readResource(uri)).pipe(
          Effect.flatMap(({ contents }) =>
            Effect.forEach(contents, (content) => describeContents({ server: name, stage }, content))
          ),
          Effect.map((parts) => parts.join("\n\n"))
        )
    })
  ]
  return tools.filter((tool) => !taken.has(tool.name))
}

/** Where content comes from, and where files that it becomes are shown. */
interface Source {
  readonly server: string
  readonly stage: Stage
}

type Block = CallToolResult["content"][number]
type Contents = ReadResourceResult["contents"][number]

/** A result as text; pictures and other bytes become files, which the text names. */
const describeResult = (
  from: Source,
  { content, structuredContent }: CallToolResult
): Effect.Effect<string, FilesError, Files> =>
  Effect.map(Effect.forEach(content, (block) => describeBlock(from, block)), (parts) => {
    if (structuredContent === undefined) return parts.join("\n\n")
    const json = JSON.stringify(structuredContent)
    // Servers repeat structured content as text for clients that know no better.
    return [...parts.filter((part) => !sameJson(part, json)), json].join("\n\n")
  })

const parseJson = Schema.decodeOption(Schema.parseJson())

const sameJson = (text: string, json: string): boolean =>
  Option.exists(parseJson(text), (value) => JSON.stringify(value) === json)

const describeBlock = (from: Source, block: Block): Effect.Effect<string, FilesError, Files> => {
  switch (block.type) {
    case "text":
      return Effect.succeed(block.text)
    case "image":
    case "audio":
      return keep(from, block.type, block.data, block.mimeType)
    case "resource":
      return describeContents(from, block.resource)
    case "resource_link":
      return Effect.succeed(`[Resource ${block.name}: ${block.uri}]`)
    default:
      return Effect.succeed("[A kind of content that is not known here]")
  }
}

const describeContents = (from: Source, contents: Contents): Effect.Effect<string, FilesError, Files> =>
  "text" in contents
    ? Effect.succeed(contents.text)
    : keep(from, "resource", contents.blob, contents.mimeType ?? "application/octet-stream")

const endings: Readonly<Record<string, string>> = {
  "image/png": ".png",
  "image/jpeg": ".jpg",
  "image/gif": ".gif",
  "image/webp": ".webp",
  "image/svg+xml": ".svg",
  "application/pdf": ".pdf",
  "application/json": ".json",
  "text/plain": ".txt",
  "audio/wav": ".wav",
  "audio/mpeg": ".mp3"
}

const keep = (
  { server, stage }: Source,
  kind: string,
  base64: string,
  type: string
): Effect.Effect<string, FilesError, Files> => {
  if (base64.length * 0.75 > maxFileBytes) return Effect.succeed(`[${kind} of ${type}, too large to be kept]`)
  return Either.match(Encoding.decodeBase64(base64), {
    onLeft: () => Effect.succeed(`[${kind} of ${type} that is not valid base64]`),
    onRight: (bytes) =>
      Effect.flatMap(Files, (files) => createNew(files, `${server}-${kind}${endings[type] ?? ".bin"}`, bytes)).pipe(
        Effect.tap((file) => stage.attach(file)),
        Effect.map((info) => `[${kind} kept as file "${info.name}", ${type}, ${info.size} bytes]`)
      )
  })
}
