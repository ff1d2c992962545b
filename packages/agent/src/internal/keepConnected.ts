// @effect-diagnostics nodeBuiltinImport:off -- descriptions of tools are pinned by their hash
import type * as HttpClient from "@effect/platform/HttpClient"
import type { Tool } from "@modelcontextprotocol/client"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import { createHash } from "node:crypto"
import type { McpError } from "../AgentError.ts"
import type { Server, ServerState } from "../McpClient.ts"
import type { Connection } from "./connectMcp.ts"
import { connectMcp } from "./connectMcp.ts"

/** @internal A tool as the server describes it now. */
export interface Described {
  readonly tool: Tool
  readonly digest: string
  readonly unusable: string | undefined
}

/** @internal A server with its connection, while there is one, and what is known of it. */
export interface LiveServer {
  readonly options: Server
  /** What all calls of the server share, across runs. */
  readonly permits: Effect.Semaphore
  readonly connection: () => Connection | undefined
  readonly described: () => ReadonlyArray<Described>
  readonly isApproved: (described: Described) => boolean
  readonly state: () => ServerState
  /** Gives what is wrong, if something is. */
  readonly approve: (tool: string, digest: string) => string | undefined
}

/** A description that is longer than this fills a model's context: such a tool is not offered. */
const maxDescriptionChars = 50_000
const maxTools = 200
const defaultConcurrency = 4
const firstPause = 500
const longestPause = 30_000
const pingEvery = "30 seconds"

/** @internal Connects, and connects again whenever the connection is lost, until the scope ends. */
export const keepConnected = (
  options: Server,
  httpClient: HttpClient.HttpClient
): Effect.Effect<LiveServer, never, Scope> =>
  Effect.gen(function*() {
    const permits = yield* Effect.makeSemaphore(options.concurrency ?? defaultConcurrency)
    let connection: Connection | undefined
    let described: ReadonlyArray<Described> = []
    let detail = "It has not been connected yet."
    let attempts = 0
    let failures = 0
    const pins = new Map(Object.entries(options.pins ?? {}))
    let pinned = options.pins !== undefined
    const first = yield* Deferred.make<void>()

    const learn = (tools: ReadonlyArray<Tool>) => {
      described = tools.filter(({ name }) => options.allow?.includes(name) ?? true).slice(0, maxTools).map(describe)
      // The first list is taken as it is; whatever is new or different later waits for approval.
      if (!pinned) { for (const { digest, tool } of described) pins.set(tool.name, digest) }
      pinned = true
    }
    const serve = Effect.scoped(Effect.gen(function*() {
      const changes = yield* Queue.sliding<void>(1)
      const made = yield* connectMcp(options, httpClient, () => {
        changes.unsafeOffer(undefined)
      })
      learn(yield* made.list)
      connection = made
      attempts = 0
      detail = "Connected."
      yield* Deferred.succeed(first, undefined)
      const follow = Queue.take(changes).pipe(Effect.zipRight(made.list), Effect.map(learn), Effect.forever)
      // Only a connection that lasts makes the next pause short again.
      const lasts = Effect.sync(() => {
        failures = 0
      })
      const beat = Effect.repeat(Effect.zipRight(Effect.delay(made.ping, pingEvery), lasts), Schedule.forever)
      detail = yield* Effect.raceFirst(Deferred.await(made.closed), Effect.raceFirst(follow, beat)).pipe(
        Effect.map(String)
      )
    }))
    yield* serve.pipe(
      Effect.catchAll((error: McpError) =>
        Effect.sync(() => {
          detail = error.detail
        })
      ),
      Effect.ensuring(Effect.sync(() => {
        connection = undefined
        attempts++
      })),
      Effect.ensuring(Deferred.succeed(first, undefined)),
      Effect.zipRight(Effect.suspend(() => pause(failures++))),
      Effect.forever,
      Effect.forkScoped
    )
    yield* Deferred.await(first)

    const open = () => (connection?.isOpen() === true ? connection : undefined)
    const isApproved = ({ digest, tool }: Described) => pins.get(tool.name) === digest
    return {
      options,
      permits,
      connection: open,
      described: () => described,
      isApproved,
      state: () => ({
        name: options.name,
        connected: open() !== undefined,
        detail,
        attempts,
        tools: described.map((one) => ({
          name: one.tool.name,
          description: one.tool.description ?? "",
          digest: one.digest,
          approved: isApproved(one),
          unusable: one.unusable
        }))
      }),
      approve: (name, digest) => {
        const found = described.find(({ tool }) => tool.name === name)
        if (found === undefined) return `It has no tool "${name}".`
        if (found.digest !== digest) return `"${name}" has changed again. Look at what it says now, and approve that.`
        pins.set(name, digest)
        return undefined
      }
    }
  })

/** Longer after every failure, and never the same for two clients of one server. */
const pause = (failures: number): Effect.Effect<void> =>
  Effect.flatMap(
    Random.nextRange(0.5, 1),
    (part) => Effect.sleep(Math.min(longestPause, firstPause * 2 ** Math.min(failures, 10)) * part)
  )

const describe = (tool: Tool): Described => {
  const { annotations, description, inputSchema, name, outputSchema, title } = tool
  const text = canonical({ annotations, description, inputSchema, name, outputSchema, title })
  return {
    tool,
    digest: createHash("sha256").update(text).digest("hex"),
    unusable: text.length <= maxDescriptionChars
      ? undefined
      : `Its description has ${text.length} characters; at most ${maxDescriptionChars} are given to a model.`
  }
}

/** JSON with sorted keys: the order in which a server writes them says nothing. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : item)
