/** The HTTP server: the typed API, uploads, the event stream and the page. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { DemoApi, FileRefused, FileSummary, HealthReport, type ServerInfo, UiEvents, UploadRefusal } from "./Api.ts"
import { Conversations } from "./Conversations.ts"
import { EventHub, type Followed } from "./EventHub.ts"
import * as Guard from "./Guard.ts"
import { Health } from "./Health.ts"
import { Notes } from "./Notes.ts"
import { OnDisk } from "./OnDisk.ts"
import { Privacy } from "./Privacy.ts"
import { Rotation } from "./Rotation.ts"

/** What the server says about itself. */
export class About extends Context.Tag("@sennit/demo/About")<About, ServerInfo>() {}

const conversationsLive = HttpApiBuilder.group(DemoApi, "conversations", (handlers) =>
  Effect.gen(function*() {
    const conversations = yield* Conversations
    return handlers
      .handle("list", ({ urlParams }) => conversations.list(urlParams.search))
      .handle("create", () => conversations.create)
      .handle("get", ({ path }) => conversations.get(path.conversation))
      .handle("delete", ({ path }) => conversations.delete(path.conversation))
      .handle("ask", ({ path, payload }) => conversations.ask(path.conversation, payload.question, payload.attachments))
      .handle("stop", ({ path }) => conversations.stop(path.conversation))
  }))

const memoriesLive = HttpApiBuilder.group(DemoApi, "memories", (handlers) =>
  Effect.gen(function*() {
    const notes = yield* Notes
    return handlers
      .handle("list", ({ urlParams }) => notes.list(urlParams))
      .handle("correct", ({ path, payload }) => notes.correct(path.memory, payload.version, payload.text))
      .handle("history", ({ path }) => notes.history(path.memory))
      .handle("forget", ({ path }) => notes.forget(path.memory))
  }))

const keysLive = HttpApiBuilder.group(DemoApi, "keys", (handlers) =>
  Effect.map(Rotation, (rotation) =>
    handlers
      .handle("status", () => rotation.status)
      // Who asked may go away; the change of keys goes on to its end.
      .handle("rotate", () => Effect.uninterruptible(rotation.rotate))))

const privacyLive = HttpApiBuilder.group(DemoApi, "privacy", (handlers) =>
  Effect.gen(function*() {
    const { erase } = yield* Privacy
    const { stored } = yield* OnDisk
    return handlers
      .handle("erase", () => Effect.uninterruptible(erase))
      .handle("stored", ({ path }) => stored(path.conversation))
  }))

const serverLive = HttpApiBuilder.group(
  DemoApi,
  "server",
  (handlers) => Effect.map(About, (about) => handlers.handle("info", () => Effect.succeed(about)))
)

const api = HttpLayerRouter.addHttpApi(DemoApi, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([conversationsLive, memoriesLive, keysLive, privacyLive, serverLive])
)

// --- uploads -----------------------------------------------------------------------------------------------------

const statuses = { FileRefused: 400, NoSuchConversation: 404, StorageFailed: 500 }

const upload = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const conversations = yield* Conversations
    yield* router.add(
      "PUT",
      "/api/conversations/:conversation/files/:name",
      (request) =>
        Effect.gen(function*() {
          const { conversation, name } = yield* HttpLayerRouter.schemaPathParams(
            Schema.Struct({ conversation: Schema.String, name: Schema.String })
          )
          const incomplete = () => new FileRefused({ name, reason: "Incomplete", detail: "The upload was cut off." })
          const stored = yield* conversations.putFile(conversation, name, Stream.mapError(request.stream, incomplete))
          return yield* HttpServerResponse.schemaJson(FileSummary)(stored)
        }).pipe(
          Effect.catchTags({
            FileRefused: refuse,
            NoSuchConversation: refuse,
            StorageFailed: refuse,
            ParseError: () => Effect.succeed(HttpServerResponse.empty({ status: 400 })),
            HttpBodyError: Effect.die
          })
        )
    )
  })
)

const refuse = (error: UploadRefusal) =>
  Effect.orDie(HttpServerResponse.schemaJson(UploadRefusal)(error, { status: statuses[error._tag] }))

// --- events ------------------------------------------------------------------------------------------------------

const encodeEvents = Schema.encode(UiEvents)

const sse = (event: string, data: string, id?: string) =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`

const toSse = (followed: Followed): Effect.Effect<string> => {
  switch (followed.type) {
    case "reset":
      return Effect.succeed(sse("hello", "", followed.at))
    case "resumed":
      return Effect.succeed(sse("resumed", "", followed.at))
    case "events":
      // The events are of the schema's own types.
      return Effect.map(Effect.orDie(encodeEvents(followed.events)), (data) => sse("ui", data, followed.at))
  }
}

/** Named, so that the page sees them: comments are invisible to it. */
const heartbeats = Stream.repeatValue(sse("heartbeat", "")).pipe(Stream.schedule(Schedule.spaced("5 seconds")))

const events = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const hub = yield* EventHub
    yield* router.add("GET", "/api/events", (request) => {
      const query = new URL(request.url, "http://localhost").searchParams.get("after")
      const after = Option.orElse(
        Option.fromNullable(request.headers["last-event-id"]),
        () => Option.fromNullable(query)
      )
      const body = hub.follow(after).pipe(
        Stream.mapEffect(toSse),
        Stream.merge(heartbeats, { haltStrategy: "left" }),
        Stream.encodeText
      )
      const bytes = Stream.concat(Stream.encodeText(Stream.succeed("retry: 500\n\n")), body)
      const headers = { "cache-control": "no-store" }
      return Effect.succeed(HttpServerResponse.stream(bytes, { contentType: "text/event-stream", headers }))
    })
  })
)

// --- export ------------------------------------------------------------------------------------------------------

const exported = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const privacy = yield* Privacy
    yield* router.add("GET", "/api/export", () => {
      const headers = {
        "cache-control": "no-store",
        "content-disposition": "attachment; filename=sennit-export.jsonl"
      }
      const bytes = Stream.encodeText(privacy.export)
      return Effect.succeed(HttpServerResponse.stream(bytes, { contentType: "application/x-ndjson", headers }))
    })
  })
)

// --- health ------------------------------------------------------------------------------------------------------

const health = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const { report } = yield* Health
    yield* router.add("GET", "/health", () =>
      Effect.flatMap(report, (found) =>
        // The report is of the schema's own type.
        Effect.orDie(
          HttpServerResponse.schemaJson(HealthReport)(found, { status: found.status === "ok" ? 200 : 503 })
        )))
  })
)

// --- the page ----------------------------------------------------------------------------------------------------

const web = (path: string) => fileURLToPath(new URL(`web/${path}`, import.meta.url))

/** The sample files of the repository, which the first page offers to ask about. */
const samples = ["sales.csv", "weather.csv", "handbook.md"]
const sample = (name: string) => fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url))

const page = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const index = HttpServerResponse.file(web("index.html"), { headers: { "cache-control": "no-cache" } })
    yield* router.add("GET", "/", index)
    yield* router.add("GET", "/c/:conversation", index)
    for (const name of samples) yield* router.add("GET", `/samples/${name}`, HttpServerResponse.file(sample(name)))
    yield* router.add("GET", "/assets/:name", (request) =>
      Effect.gen(function*() {
        // Vite names assets by their content; anything else is not one of them.
        const name = /^\/assets\/([\w-]+\.(?:js|css))$/.exec(request.url)?.[1]
        if (name === undefined) return HttpServerResponse.empty({ status: 404 })
        const file = HttpServerResponse.file(web(`assets/${name}`), {
          headers: { "cache-control": "public, max-age=31536000, immutable" }
        })
        return yield* Effect.catchTag(file, "SystemError", () =>
          Effect.succeed(HttpServerResponse.empty({ status: 404 })))
      }))
  })
)

/** What programs use. */
export const apiRoutes = Layer.mergeAll(api, upload, events, exported, health)

/** Every route; the guard stands before all of them. */
export const routes = Layer.merge(apiRoutes, page).pipe(Layer.provide(Guard.layer))
