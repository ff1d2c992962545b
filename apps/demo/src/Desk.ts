/** Where the terminal asks: the same few operations, in this process or at a server that runs already. */
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DemoApi, type FileRefused, FileSummary, type UiEvent, UiEvents, UploadRefusal } from "./Api.ts"
import { Conversations } from "./Conversations.ts"
import { EventHub } from "./EventHub.ts"

/** Anything that went wrong, in words for people. */
export interface DeskFailure {
  readonly _tag: string
  readonly message: string
}

export class Desk extends Context.Tag("@sennit/demo/Desk")<Desk, {
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
  /** Everything that happens from the moment in which `ready` runs. */
  readonly follow: (ready: Effect.Effect<void, DeskFailure>) => Stream.Stream<UiEvent, DeskFailure>
}>() {}

/** In this process. */
export const layerLocal: Layer.Layer<Desk, never, Conversations | EventHub> = Layer.effect(
  Desk,
  Effect.gen(function*() {
    const conversations = yield* Conversations
    const hub = yield* EventHub
    return Desk.of({
      conversation: Option.match({
        onNone: () => Effect.map(conversations.create, ({ id }) => id),
        onSome: (id) => Effect.map(conversations.get(id), ({ summary }) => summary.id)
      }),
      putFile: conversations.putFile,
      ask: (id, question, attachments) => Effect.asVoid(conversations.ask(id, question, attachments)),
      follow: (ready) =>
        hub.follow(Option.none()).pipe(
          Stream.tap((followed) => followed.type === "reset" ? ready : Effect.void),
          Stream.mapConcat((followed) => followed.type === "events" ? followed.events : [])
        )
    })
  })
)

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

/** At the server of this address, over the given client. */
export const layerRemote = (address: string): Layer.Layer<Desk, never, HttpClient.HttpClient> =>
  Layer.effect(
    Desk,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const api = yield* HttpApiClient.make(DemoApi, { baseUrl: address })
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
        conversation: Option.match({
          onNone: () => Effect.map(api.conversations.create(), ({ id }) => id),
          onSome: (conversation) =>
            Effect.map(api.conversations.get({ path: { conversation } }), ({ summary }) => summary.id)
        }),
        putFile: send,
        ask: (conversation, question, attachments) =>
          Effect.asVoid(api.conversations.ask({ path: { conversation }, payload: { question, attachments } })),
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
