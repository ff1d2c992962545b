/**
 * Where a command of the terminal works: at the server that runs already, or where there is none, in this process. It
 * speaks the same API at both.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DemoApi, HealthReport } from "./Api.ts"
import { type FileRefused, UploadRefusal } from "./ApiError.ts"
import { FileSummary, type UiEvent, UiEvents } from "./Block.ts"
import { apiRoutes, routerConfig } from "./Server.ts"

/** Anything that went wrong, in words for people. */
export interface DeskFailure {
  readonly _tag: string
  readonly message: string
}

const makeApi = (address: string) => HttpApiClient.make(DemoApi, { baseUrl: address })

export class Desk extends Context.Tag("@sennit/demo/Desk")<Desk, {
  readonly api: Effect.Effect.Success<ReturnType<typeof makeApi>>
  /** A new conversation, or the given one where it exists. */
  readonly conversation: (id: Option.Option<string>) => Effect.Effect<string, DeskFailure>
  readonly putFile: (
    conversation: string,
    name: string,
    bytes: Stream.Stream<Uint8Array, FileRefused>
  ) => Effect.Effect<FileSummary, DeskFailure>
  readonly ask: (
    conversation: string,
    question: string,
    attachments: ReadonlyArray<string>
  ) => Effect.Effect<void, DeskFailure>
  /** Goes on with an answer that was cut off; fails where there is none. */
  readonly resume: (conversation: string) => Effect.Effect<void, DeskFailure>
  readonly health: Effect.Effect<HealthReport, DeskFailure>
  /** All that is kept of the person, as JSON lines in any pieces. */
  readonly export: Stream.Stream<string, DeskFailure>
  /** Everything that happens from the moment in which `ready` runs. */
  readonly follow: (ready: Effect.Effect<void, DeskFailure>) => Stream.Stream<UiEvent, DeskFailure>
}>() {}

const decodeEvents = Schema.decode(UiEvents)

interface ServerSentEvent {
  readonly event: string
  readonly data: string
}

/** The fields of one server-sent event of ours; each has one data line. */
const parseEvent = (block: string): ServerSentEvent => {
  const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, "m").exec(block)?.[1] ?? ""
  return { event: field("event"), data: field("data") }
}

const nothingToResume: DeskFailure = {
  _tag: "NothingToResume",
  message: "The last answer of this conversation has come to its end, or is being given. Nothing was changed."
}

/** At the server of this address, over the given client. */
export const layerRemote = (address: string): Layer.Layer<Desk, never, HttpClient.HttpClient> =>
  Layer.effect(
    Desk,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const api = yield* makeApi(address)
      const path = (conversation: string) => `${address}/api/conversations/${encodeURIComponent(conversation)}`
      const send = Effect.fnUntraced(
        function*(conversation: string, name: string, bytes: Stream.Stream<Uint8Array, FileRefused>) {
          const request = HttpClientRequest.put(`${path(conversation)}/files/${encodeURIComponent(name)}`).pipe(
            HttpClientRequest.setBody(HttpBody.stream(bytes, "application/octet-stream"))
          )
          const response = yield* client.execute(request)
          if (response.status === 200) return yield* HttpClientResponse.schemaBodyJson(FileSummary)(response)
          return yield* Effect.flatMap(HttpClientResponse.schemaBodyJson(UploadRefusal)(response), Effect.fail)
        },
        Effect.scoped
      )
      return Desk.of({
        api,
        conversation: Option.match({
          onNone: () => Effect.map(api.conversations.create(), ({ id }) => id),
          onSome: (conversation) =>
            Effect.map(api.conversations.get({ path: { conversation } }), ({ summary }) => summary.id)
        }),
        putFile: send,
        ask: (conversation, question, attachments) =>
          Effect.asVoid(api.conversations.ask({ path: { conversation }, payload: { question, attachments } })),
        resume: (conversation) =>
          Effect.flatMap(
            api.conversations.resume({ path: { conversation } }),
            ({ resumed }) => resumed ? Effect.void : Effect.fail(nothingToResume)
          ),
        health: Effect.flatMap(client.get(`${address}/health`), HttpClientResponse.schemaBodyJson(HealthReport)),
        export: Stream.decodeText(
          HttpClientResponse.stream(
            Effect.flatMap(client.get(`${address}/api/export`), HttpClientResponse.filterStatusOk)
          )
        ),
        follow: (ready) =>
          HttpClientResponse.stream(client.get(`${address}/api/events`)).pipe(
            Stream.decodeText(),
            Stream.splitLines,
            // An empty line ends an event.
            Stream.mapAccum(
              "",
              (block, line) => line === "" ? ["", block] as const : [`${block}${line}\n`, ""] as const
            ),
            Stream.filter((block) => block !== ""),
            Stream.map(parseEvent),
            Stream.tap(({ event }) => event === "hello" ? ready : Effect.void),
            Stream.filter(({ event }) => event === "ui"),
            Stream.mapEffect(({ data }) => decodeEvents(data)),
            Stream.mapConcat((events) => events)
          )
      })
    })
  )

/** An `HttpClient` whose requests are answered in this process. */
const clientInProcess = Layer.unwrapScoped(Effect.gen(function*() {
  const app = yield* Effect.provideService(
    HttpLayerRouter.toHttpEffect(apiRoutes),
    HttpLayerRouter.RouterConfig,
    routerConfig
  )
  const handle = HttpApp.toWebHandlerRuntime(yield* Effect.runtime())(app)
  const fetchHere: typeof globalThis.fetch = (input, init) => handle(new Request(input, init))
  return Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, fetchHere))
}))

/** In this process; the address is only a name. */
export const layerLocal = Layer.provide(layerRemote("http://127.0.0.1"), clientInProcess)
