/** What a person can do on the page, and what the server's events do to it. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { LISTED, type ModelSummary, type Preview } from "../Api.ts"
import { cutOff } from "../ApiError.ts"
import { api, fork, sampleFile, upload } from "./client.ts"
import { forgetDraft, forgetDrafts, keepDraft, readDraft } from "./drafts.ts"
import { follow } from "./events.ts"
import { focusInspect, isInInspector } from "./focus.ts"
import { say, speak } from "./say.ts"
import { readSettings } from "./settings.ts"
import { showStep, stepOf } from "./steps.ts"
import {
  type ChosenFile,
  current,
  type Panel,
  panels,
  readThenShow,
  show as showConversation,
  update
} from "./store.ts"

/** The key of what belongs to the page of a new conversation. */
export const NEW = "new"
const here = (): string => current().route ?? NEW

const explain = (error: { readonly _tag: string; readonly message: string }): string =>
  error._tag === "RequestError"
    ? "No connection to the server. Your text is kept."
    : error.message

/** Runs an action and shows why it failed; the success of one that was begun later takes the message away. */
export const act = <E extends { readonly _tag: string; readonly message: string }>(
  action: Effect.Effect<void, E, HttpClient.HttpClient>
): void => {
  const { problem } = current()
  fork(action.pipe(
    Effect.tap(() => Effect.sync(() => current().problem === problem && update({ problem: undefined }))),
    Effect.catchAll((error) =>
      Effect.sync(() => update(error._tag === "NotSignedIn" ? { signedOut: true } : { problem: explain(error) }))
    )
  ))
}

/** Reads what the page shows. What is wrong with the connection is said elsewhere, and no message is taken away. */
const actQuietly = <E extends { readonly _tag: string; readonly message: string }>(
  action: Effect.Effect<void, E, HttpClient.HttpClient>
): void =>
  fork(Effect.catchAll(action, (error) =>
    Effect.sync(() => {
      if (error._tag === "NotSignedIn") update({ signedOut: true })
      else if (error._tag !== "RequestError") update({ problem: explain(error) })
    })))

// --- reading ---------------------------------------------------------------------------------------------------

const readConversation = Effect.fn("readConversation")(function*(id: string) {
  const { conversations } = yield* api
  yield* readThenShow(conversations.get({ path: { conversation: id } }), (found) => {
    if (current().route === id) showConversation(found)
  }).pipe(
    Effect.catchTag("NoSuchConversation", (error) =>
      Effect.sync(() => {
        if (current().route === id) update({ open: undefined, missing: error.message })
      }))
  )
})

const readLists = Effect.gen(function*() {
  const { conversations, server } = yield* api
  yield* readThenShow(
    Effect.all([conversations.list({ urlParams: {} }), server.info()], { concurrency: 2 }),
    ([list, info]) => update({ conversations: list, hasMore: list.length === LISTED, info })
  )
})

/** Reads the conversations behind those that are listed. */
export const listMore = (): void =>
  act(Effect.gen(function*() {
    const before = current().conversations?.at(-1)?.updatedAt
    const { conversations } = yield* api
    yield* readThenShow(conversations.list({ urlParams: { before } }), (older) => {
      const listed = current().conversations ?? []
      const fresh = older.filter(({ id }) => !listed.some((one) => one.id === id))
      update({ conversations: [...listed, ...fresh], hasMore: older.length === LISTED && fresh.length > 0 })
      say(`${fresh.length} more conversations.`)
    })
  }))

const readAll = (): void =>
  actQuietly(Effect.gen(function*() {
    yield* readLists
    const { route } = current()
    if (route !== undefined) yield* readConversation(route)
  }))

const readOpen = (): void => {
  const { route } = current()
  if (route !== undefined) actQuietly(readConversation(route))
}

// --- addresses -------------------------------------------------------------------------------------------------

const routeOf = (path: string) => /^\/c\/([^/]+)$/.exec(path)?.[1]

const panelOf = (hash: string): Panel | undefined => panels.find((panel) => hash === `#${panel}`)

/** Opens a part of the inspector, or closes it; the address says which is open. */
export const openPanel = (panel: Panel | undefined): void => {
  const { pathname, search } = globalThis.location
  history.replaceState(null, "", `${pathname}${search}${panel === undefined ? "" : `#${panel}`}`)
  const wasInside = isInInspector()
  update({ panel })
  if (panel === undefined && wasInside) focusInspect()
}

const enter = (): void => {
  const route = routeOf(globalThis.location.pathname)
  const { open, visit } = current()
  update({
    route,
    step: stepOf(globalThis.location.search),
    visit: visit + 1,
    panel: panelOf(globalThis.location.hash),
    missing: undefined,
    problem: undefined,
    open: open?.id === route ? open : undefined
  })
  if (route !== undefined) act(readConversation(route))
}

export const go = (path: string): void => {
  // The inspector stays open.
  history.pushState(null, "", `${path}${globalThis.location.hash}`)
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
  history.replaceState(null, "", `/c/${summary.id}${globalThis.location.hash}`)
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
    Effect.catchTag(upload(id, file), "RequestError", () => cutOff(file.name)),
    () => Effect.sync(() => setChosen(id, (all) => all.filter((one) => !isThis(one))))
  )
  setChosen(id, (all) => all.map((one) => isThis(one) ? { ...stored, state: "ready" as const } : one))
  const { open } = current()
  if (open?.id === id) update({ open: { ...open, files: [...open.files, stored] } })
})

export const attach = (files: Iterable<File>): void =>
  act(inOrder(Effect.gen(function*() {
    const id = yield* conversationHere
    for (const file of files) yield* attachTo(id, file)
  })))

export const unattach = (name: string): void => setChosen(here(), (all) => all.filter((file) => file.name !== name))

const askIn = Effect.fn("askIn")(function*(id: string, question: string, model = current().model) {
  const files = (current().chosen[id] ?? []).filter(({ state }) => state === "ready")
  const { conversations } = yield* api
  yield* conversations.ask({
    path: { conversation: id },
    payload: { question, attachments: files.map(({ name }) => name), model }
  })
  setChosen(id, (all) => all.filter((file) => !files.includes(file)))
  showStep(undefined)
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

/** The beginning of a file. */
export const readPreview = (conversation: string, name: string, show: (preview: Preview) => void): void =>
  act(Effect.gen(function*() {
    const { conversations } = yield* api
    show(yield* conversations.preview({ path: { conversation }, urlParams: { name } }))
  }))

/** Asks again, in the open conversation; `model` for this one question. */
export const askAgain = (question: string, model?: ModelSummary["id"]): void =>
  act(inOrder(Effect.flatMap(conversationHere, (id) => askIn(id, question, model))))

export const chooseModel = (model: ModelSummary["id"]): void => {
  update({ model })
  const name = current().info?.models.find(({ id }) => id === model)?.name
  if (name !== undefined) say(`${name} answers from now on.`)
}

/** Lets a call that waits be run, or not. */
export const decide = (callId: string, approved: boolean): void => {
  const { route } = current()
  if (route === undefined) return
  act(
    Effect.flatMap(
      api,
      ({ conversations }) => conversations.decide({ path: { conversation: route }, payload: { callId, approved } })
    )
  )
}

export const stop = (): void => {
  const { route } = current()
  if (route === undefined) return
  act(Effect.flatMap(api, ({ conversations }) => conversations.stop({ path: { conversation: route } })))
}

/** `done` runs when it is gone. */
export const removeConversation = (id: string, done: () => void): void =>
  act(Effect.gen(function*() {
    const { conversations } = yield* api
    yield* conversations.delete({ path: { conversation: id } })
    if (current().route === id) go("/")
    done()
  }))

// --- start -----------------------------------------------------------------------------------------------------

/** Signs in, or makes the account first. The page begins anew: drafts are kept. */
export const signIn = (how: "signIn" | "signUp", name: string, password: string): void =>
  act(Effect.gen(function*() {
    const { account } = yield* api
    yield* account[how]({ payload: { name, password: Redacted.make(password) } })
    globalThis.location.reload()
  }))

export const signOut = (): void =>
  act(Effect.gen(function*() {
    const { account } = yield* api
    yield* account.signOut()
    forgetDrafts()
    globalThis.location.assign("/")
  }))

/** Whose page this was last, so that their draft is there at once. */
const PERSON = "sennit.person"

const become = (person: string | null): void => {
  const before = current()
  if (before.person === (person ?? undefined)) return
  if (person === null) localStorage.removeItem(PERSON)
  else localStorage.setItem(PERSON, person)
  // The message field belongs to somebody else.
  update({ person: person ?? undefined, visit: before.visit + 1 })
}

/** Follows the server as the person of this browser; without one, says that a sign-in is needed. */
const start = Effect.gen(function*() {
  const { account } = yield* api
  const { person, signsIn } = yield* account.status()
  update({ signsIn, signedOut: person === null })
  become(person)
  if (person === null) return
  yield* follow(person, { readAll, readOpen })
}).pipe(
  // The server may be starting just now.
  Effect.tapError((error) => Effect.sync(() => update({ connection: "lost", problem: explain(error) }))),
  Effect.retry({ schedule: Schedule.spaced("1 second"), while: ({ _tag }) => _tag === "RequestError" })
)

export const begin = (): void => {
  readSettings()
  const { hash, pathname, search } = globalThis.location
  update({
    step: stepOf(search),
    route: routeOf(pathname),
    panel: panelOf(hash),
    person: localStorage.getItem(PERSON) ?? undefined
  })
  globalThis.addEventListener("popstate", enter)
  globalThis.addEventListener("hashchange", () => update({ panel: panelOf(globalThis.location.hash) }))
  fork(speak)
  act(start)
}
