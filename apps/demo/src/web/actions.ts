/** What a person can do on the page, and what the server's events do to it. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { type UiEvent, UiEvents } from "../Api.ts"
import { api, fork, sampleFile, upload } from "./client.ts"
import { forgetDraft, keepDraft, readDraft } from "./drafts.ts"
import { applyEvents, type ChosenFile, current, show, update } from "./store.ts"

/** The key of what belongs to the page of a new conversation. */
export const NEW = "new"
const here = (): string => current().route ?? NEW

const explain = (error: { readonly _tag: string; readonly message: string }): string =>
  error._tag === "RequestError"
    ? "No connection to the server. Your text is kept."
    : error.message

/** Runs an action and shows why it failed; a later success takes the message away. */
export const act = <E extends { readonly _tag: string; readonly message: string }>(
  action: Effect.Effect<void, E, HttpClient.HttpClient>
): void =>
  fork(action.pipe(
    Effect.tap(() => Effect.sync(() => update({ problem: undefined }))),
    Effect.catchAll((error) => Effect.sync(() => update({ problem: explain(error) })))
  ))

// --- reading ---------------------------------------------------------------------------------------------------

const readConversation = Effect.fn("readConversation")(function*(id: string) {
  const { conversations } = yield* api
  const found = yield* conversations.get({ path: { conversation: id } }).pipe(
    Effect.catchTag("NoSuchConversation", (error) =>
      Effect.sync(() => {
        if (current().route === id) update({ open: undefined, missing: error.message })
      }))
  )
  if (found !== undefined && current().route === id) show(found)
})

const readLists = Effect.gen(function*() {
  const { conversations, server } = yield* api
  const [list, info] = yield* Effect.all([conversations.list({ urlParams: {} }), server.info()], { concurrency: 2 })
  update({ conversations: list, info })
})

const readAll = (): void =>
  act(Effect.gen(function*() {
    yield* readLists
    const { route } = current()
    if (route !== undefined) yield* readConversation(route)
  }))

// --- addresses -------------------------------------------------------------------------------------------------

const routeOf = (path: string) => /^\/c\/([^/]+)$/.exec(path)?.[1]

const enter = (): void => {
  const route = routeOf(globalThis.location.pathname)
  const { open, visit } = current()
  update({
    route,
    visit: visit + 1,
    missing: undefined,
    problem: undefined,
    open: open?.id === route ? open : undefined
  })
  if (route !== undefined) act(readConversation(route))
}

export const go = (path: string): void => {
  history.pushState(null, "", path)
  enter()
}

// --- asking ----------------------------------------------------------------------------------------------------

const setChosen = (key: string, change: (files: ReadonlyArray<ChosenFile>) => ReadonlyArray<ChosenFile>) => {
  const { chosen } = current()
  update({ chosen: { ...chosen, [key]: change(chosen[key] ?? []) } })
}

/** The conversation of the page; the page of a new one makes it at its first question or file, and becomes its page. */
const conversationHere = Effect.gen(function*() {
  const { chosen, route } = current()
  if (route !== undefined) return route
  const { conversations } = yield* api
  const summary = yield* conversations.create()
  history.replaceState(null, "", `/c/${summary.id}`)
  keepDraft(summary.id, readDraft(NEW))
  forgetDraft(NEW)
  update({
    route: summary.id,
    open: { id: summary.id, summary, blocks: [], files: [] },
    chosen: { ...chosen, [NEW]: [], [summary.id]: chosen[NEW] ?? [] }
  })
  return summary.id
})

/** Uploads and questions happen in the order in which they were asked for: a question waits for its files. */
const inOrder = Effect.unsafeMakeSemaphore(1).withPermits(1)

const attachTo = Effect.fn("attachTo")(function*(id: string, file: File) {
  setChosen(id, (all) => [...all, { name: file.name, size: file.size, state: "uploading" }])
  const isThis = ({ name, state }: ChosenFile) => name === file.name && state === "uploading"
  const stored = yield* Effect.tapError(
    upload(id, file),
    () => Effect.sync(() => setChosen(id, (all) => all.filter((one) => !isThis(one))))
  )
  setChosen(id, (all) => all.map((one) => isThis(one) ? { ...stored, state: "ready" as const } : one))
})

export const attach = (files: Iterable<File>): void =>
  act(inOrder(Effect.gen(function*() {
    const id = yield* conversationHere
    for (const file of files) yield* attachTo(id, file)
  })))

export const unattach = (name: string): void => setChosen(here(), (all) => all.filter((file) => file.name !== name))

const askIn = Effect.fn("askIn")(function*(id: string, question: string) {
  const files = (current().chosen[id] ?? []).filter(({ state }) => state === "ready")
  const { conversations } = yield* api
  yield* conversations.ask({
    path: { conversation: id },
    payload: { question, attachments: files.map(({ name }) => name) }
  })
  setChosen(id, (all) => all.filter((file) => !files.includes(file)))
})

/** Sends a question. The draft and the chosen files are given up only when the server has taken them. */
export const ask = (question: string, sent: () => void): void => {
  const wanted = (current().chosen[here()] ?? []).length
  act(inOrder(Effect.gen(function*() {
    const id = yield* conversationHere
    if ((current().chosen[id] ?? []).length < wanted) {
      return yield* Effect.fail({ _tag: "NotSent", message: `${current().problem ?? ""} The question was not sent.` })
    }
    yield* askIn(id, question)
    if (readDraft(id).trim() === question) forgetDraft(id)
    sent()
  })))
}

/** Asks about one of the sample files in a new conversation. */
export const askSample = (question: string, name: string): void =>
  act(inOrder(Effect.gen(function*() {
    const file = yield* sampleFile(name)
    const id = yield* conversationHere
    yield* attachTo(id, file)
    yield* askIn(id, question)
  })))

export const stop = (): void => {
  const { route } = current()
  if (route === undefined) return
  act(Effect.flatMap(api, ({ conversations }) => conversations.stop({ path: { conversation: route } })))
}

export const removeConversation = (id: string): void =>
  act(Effect.gen(function*() {
    const { conversations } = yield* api
    yield* conversations.delete({ path: { conversation: id } })
    if (current().route === id) go("/")
  }))

// --- events ----------------------------------------------------------------------------------------------------

const decodeEvents = Schema.decodeUnknownEither(UiEvents)

/** Events of one frame are folded together, so that the page paints once. */
const queue: Array<UiEvent> = []
const flush = () => {
  const events = queue.splice(0)
  if (events.length === 0) return
  const { route } = current()
  if (applyEvents(events) === "gap" && route !== undefined) act(readConversation(route))
}
const later = () => {
  if (document.hidden) flush()
  else if (queue.length > 0) requestAnimationFrame(flush)
}

/** How long the stream may be silent: the server sends a heartbeat every 5 seconds. */
const SILENCE_MS = 12_000

/** One event stream; the browser reconnects by itself and names the last event that it has seen. */
const listen = Effect.gen(function*() {
  const clock = yield* Effect.clock
  let seen = clock.unsafeCurrentTimeMillis()
  let source: EventSource
  const open = (after: string) => {
    source = new EventSource(`/api/events${after === "" ? "" : `?after=${encodeURIComponent(after)}`}`)
    let last = after
    const on = (name: string, handle: (event: MessageEvent<string>) => void) =>
      source.addEventListener(name, (event: MessageEvent<string>) => {
        seen = clock.unsafeCurrentTimeMillis()
        if (event.lastEventId !== "") last = event.lastEventId
        handle(event)
      })
    on("hello", () => {
      update({ connection: "live" })
      readAll()
    })
    on("resumed", () => update({ connection: "live" }))
    on("heartbeat", () => update({ connection: "live" }))
    on("ui", (event) => {
      const decoded = decodeEvents(event.data)
      if (Either.isLeft(decoded)) return update({ problem: "The server is newer than this page. Reload the page." })
      queue.push(...decoded.right)
      later()
    })
    source.addEventListener("error", () => {
      update({ connection: "lost" })
      if (source.readyState === EventSource.CLOSED) seen = 0
    })
    return () => last
  }
  let last = open("")
  yield* Effect.sync(() => {
    if (clock.unsafeCurrentTimeMillis() - seen < SILENCE_MS) return
    seen = clock.unsafeCurrentTimeMillis()
    source.close()
    update({ connection: "lost" })
    last = open(last())
  }).pipe(Effect.repeat(Schedule.spaced("2 seconds")))
})

export const begin = (): void => {
  globalThis.addEventListener("popstate", enter)
  enter()
  fork(Effect.asVoid(listen))
}
