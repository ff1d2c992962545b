/** The HTTP server: the typed API, uploads, the event stream and the page. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { Accounts, COOKIE, SIGNED_IN_FOR } from "./Accounts.ts"
import { DemoApi, HealthReport, ServerInfo, SignedIn, type ToolList } from "./Api.ts"
import { cutOff, MAX_FILE_BYTES, UploadRefusal } from "./ApiError.ts"
import { FileSummary } from "./Block.ts"
import type { Followed } from "./EventHub.ts"
import type { FileType } from "./FileType.ts"
import * as Guard from "./Guard.ts"
import { People } from "./People.ts"
import { Person } from "./Person.ts"
import * as Prometheus from "./Prometheus.ts"
import * as Reference from "./Reference.ts"
import { readToTheEnd } from "./RequestBody.ts"
import { Rotation } from "./Rotation.ts"

/** What the server says about itself. */
export class About extends Context.Tag("@sennit/demo/About")<About, ServerInfo>() {}

/** What the assistant can use now. */
export class Tools extends Context.Tag("@sennit/demo/Tools")<Tools, Effect.Effect<ToolList>>() {}

/** Does something with what is the asking person's own. */
const own = <A, E>(use: (person: Context.Tag.Service<Person>) => Effect.Effect<A, E>) => Effect.flatMap(Person, use)

const conversationsLive = HttpApiBuilder.group(DemoApi, "conversations", (handlers) =>
  handlers
    .handle("list", ({ urlParams }) => own(({ conversations }) => conversations.list(urlParams)))
    .handle("create", () => own(({ conversations }) => conversations.create))
    .handle("get", ({ path }) => own(({ conversations }) => conversations.get(path.conversation)))
    .handle("delete", ({ path }) => own(({ conversations }) => conversations.delete(path.conversation)))
    .handle("ask", ({ path, payload }) => own(({ conversations }) => conversations.ask(path.conversation, payload)))
    .handle("preview", ({ path, urlParams }) =>
      own(({ conversations }) => conversations.preview(path.conversation, urlParams.name)))
    .handle("decide", ({ path, payload: { approved, callId } }) =>
      own(({ conversations }) =>
        conversations.decide(path.conversation, callId, { approved })
      ))
    .handle("resume", ({ path }) =>
      own(({ conversations }) =>
        Effect.map(conversations.resume(path.conversation), (resumed) => ({ resumed }))
      ))
    .handle("stop", ({ path }) =>
      own(({ conversations }) =>
        conversations.stop(path.conversation)
      )))

const memoriesLive = HttpApiBuilder.group(DemoApi, "memories", (handlers) =>
  handlers
    .handle("list", ({ urlParams }) => own(({ notes }) => notes.list(urlParams)))
    .handle("correct", ({ path, payload }) =>
      own(({ notes }) => notes.correct(path.memory, payload.version, payload.text)))
    .handle("history", ({ path }) =>
      own(({ notes }) => notes.history(path.memory)))
    .handle("forget", ({ path }) => own(({ notes }) => notes.forget(path.memory))))

const keysLive = HttpApiBuilder.group(DemoApi, "keys", (handlers) =>
  Effect.map(Rotation, (rotation) =>
    handlers
      .handle("status", () => rotation.status)
      // Who asked may go away; the change of keys goes on to its end.
      .handle("rotate", () => Effect.uninterruptible(rotation.rotate))))

const privacyLive = HttpApiBuilder.group(DemoApi, "privacy", (handlers) =>
  handlers
    .handle("erase", () => own(({ privacy }) => Effect.uninterruptible(privacy.erase)))
    .handle("stored", ({ path }) => own(({ onDisk }) => onDisk.stored(path.conversation))))

const serverLive = HttpApiBuilder.group(
  DemoApi,
  "server",
  (handlers) =>
    Effect.map(Effect.all([About, Tools]), ([about, tools]) =>
      handlers
        .handle("info", () => own(({ name }) => Effect.succeed(new ServerInfo({ ...about, person: name }))))
        .handle("tools", () => tools))
)

const signInCookie = HttpApiSecurity.apiKey({ in: "cookie", key: COOKIE })

/** A page of another site never sends it, and no script reads it; 127.0.0.1 has no TLS. */
const cookieOptions = { httpOnly: true, sameSite: "strict", path: "/" } as const

const putCookie = (token: Redacted.Redacted) =>
  HttpApiBuilder.securitySetCookie(signInCookie, token, { ...cookieOptions, secure: false, maxAge: SIGNED_IN_FOR })

const accountLive = HttpApiBuilder.group(DemoApi, "account", (handlers) =>
  Effect.map(Accounts, (accounts) =>
    handlers
      .handle("status", ({ request }) => accounts.status(request.headers))
      .handle("signUp", ({ payload }) => Effect.flatMap(accounts.signUp(payload), putCookie))
      .handle("signIn", ({ payload }) => Effect.flatMap(accounts.signIn(payload), putCookie))
      .handle("signOut", ({ request }) => accounts.signOut(request.headers))))

const signedIn = Layer.effect(
  SignedIn,
  Effect.map(
    People,
    (people) => Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => people.of(headers))
  )
)

const api = HttpLayerRouter.addHttpApi(DemoApi, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([conversationsLive, memoriesLive, keysLive, privacyLive, serverLive, accountLive]),
  Layer.provide(signedIn)
)

// --- uploads -----------------------------------------------------------------------------------------------------

const statuses = { FileRefused: 400, NoSuchConversation: 404, NotSignedIn: 401, StorageFailed: 500 }

const filePath = Schema.Struct({ conversation: Schema.String, name: Schema.String })

const upload = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const people = yield* People
    yield* router.add(
      "PUT",
      "/api/conversations/:conversation/files/:name",
      (request) =>
        Effect.gen(function*() {
          const { conversation, name } = yield* HttpLayerRouter.schemaPathParams(filePath)
          const { conversations } = yield* people.of(request.headers)
          const bytes = Stream.mapError(request.stream, () => cutOff(name))
          const stored = yield* readToTheEnd(
            bytes,
            MAX_FILE_BYTES,
            (all) => conversations.putFile(conversation, name, all)
          )
          return yield* HttpServerResponse.schemaJson(FileSummary)(stored)
        }).pipe(
          Effect.catchTags({
            FileRefused: refuse,
            NoSuchConversation: refuse,
            NotSignedIn: refuse,
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

/** Whatever the bytes are, no browser runs them under this server's name. */
const safely = ({ name, type }: { readonly name: string; readonly type: FileType }) => ({
  "content-type": type.type === "image" ? type.mediaType : "application/octet-stream",
  "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
  "content-security-policy": "sandbox; default-src 'none'",
  "cache-control": "no-store"
})

const download = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const people = yield* People
    yield* router.add(
      "GET",
      "/api/conversations/:conversation/files/:name",
      Effect.gen(function*() {
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        const { conversations } = yield* people.of(headers)
        const { conversation, name } = yield* HttpLayerRouter.schemaPathParams(filePath)
        const { bytes, size, type } = yield* conversations.readFile(conversation, name)
        return HttpServerResponse.stream(bytes, { contentLength: size, headers: safely({ name, type }) })
      }).pipe(
        Effect.catchTags({
          FileRefused: () => Effect.succeed(HttpServerResponse.empty({ status: 404 })),
          NoSuchConversation: () => Effect.succeed(HttpServerResponse.empty({ status: 404 })),
          NotSignedIn: refuse,
          StorageFailed: refuse,
          ParseError: () => Effect.succeed(HttpServerResponse.empty({ status: 400 }))
        })
      )
    )
  })
)

// --- events ------------------------------------------------------------------------------------------------------

const sse = (event: string, data: string, id?: string) =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`

const toSse = (followed: Followed): string => {
  switch (followed.type) {
    case "reset":
      return sse("hello", "", followed.at)
    case "resumed":
      return sse("resumed", "", followed.at)
    case "heartbeat":
      // Named, so that the page sees it: comments are invisible to it.
      return sse("heartbeat", "")
    case "events":
      // Of the schema's own types, which are their own encoding: many a second go to every follower.
      return sse("ui", JSON.stringify(followed.events), followed.at)
  }
}

const events = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const people = yield* People
    yield* router.add("GET", "/api/events", (request) => {
      const query = new URL(request.url, "http://localhost").searchParams.get("after")
      const after = Option.orElse(
        Option.fromNullable(request.headers["last-event-id"]),
        () => Option.fromNullable(query)
      )
      return Effect.map(people.of(request.headers), (person) => {
        const body = Stream.encodeText(Stream.map(person.events.follow(after), toSse))
        const bytes = Stream.concat(Stream.encodeText(Stream.succeed("retry: 500\n\n")), body)
        const headers = { "cache-control": "no-store" }
        return HttpServerResponse.stream(bytes, { contentType: "text/event-stream", headers })
      }).pipe(Effect.catchTags({ NotSignedIn: refuse, StorageFailed: refuse }))
    })
  })
)

// --- export ------------------------------------------------------------------------------------------------------

const exported = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const people = yield* People
    yield* router.add("GET", "/api/export", (request) => {
      const headers = {
        "cache-control": "no-store",
        "content-disposition": "attachment; filename=sennit-export.jsonl"
      }
      return Effect.map(people.of(request.headers), ({ privacy }) => {
        const bytes = Stream.encodeText(privacy.export)
        return HttpServerResponse.stream(bytes, { contentType: "application/x-ndjson", headers })
      }).pipe(Effect.catchTags({ NotSignedIn: refuse, StorageFailed: refuse }))
    })
  })
)

// --- health ------------------------------------------------------------------------------------------------------

const health = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const people = yield* People
    const about = yield* About
    yield* router.add("GET", "/health", () =>
      Effect.flatMap(
        Effect.flatMap(people.get(about.person), (person) => person.health.report),
        (found) =>
          // The report is of the schema's own type.
          Effect.orDie(
            HttpServerResponse.schemaJson(HealthReport)(found, { status: found.status === "ok" ? 200 : 503 })
          )
      ).pipe(Effect.catchTag("StorageFailed", refuse)))
  })
)

// --- for programs and who writes them ----------------------------------------------------------------------------

const instruments = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    yield* router.add(
      "GET",
      "/metrics",
      Effect.map(Prometheus.now, (text) => HttpServerResponse.text(text, { contentType: Prometheus.CONTENT_TYPE }))
    )
    yield* router.add("GET", "/reference", () => {
      const headers = { "content-security-policy": Reference.policy }
      return Effect.sync(() =>
        HttpServerResponse.text(Reference.html(), { contentType: "text/html; charset=utf-8", headers })
      )
    })
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

/** Names of files and ids of runs are longer parts of an address than the router expects. */
export const routerConfig = { maxParamLength: 4096 }

/** What programs use. */
export const apiRoutes = Layer.mergeAll(api, upload, download, events, exported, health, instruments)

/** Every route; the guard stands before all of them. */
export const routes = Layer.merge(apiRoutes, page).pipe(Layer.provide(Guard.layer))
