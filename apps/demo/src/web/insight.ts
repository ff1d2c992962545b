/** What the panels do: search, memory, keys, erasure. */
import * as Effect from "effect/Effect"
import { act, go } from "./actions.ts"
import { api } from "./client.ts"
import { forgetDrafts } from "./drafts.ts"
import { say } from "./say.ts"
import { current, update } from "./store.ts"

/** The last search; an earlier one that answers later is not shown. */
let searched = ""

export const search = (text: string): void => {
  searched = text.trim()
  if (searched === "") return update({ found: undefined })
  const wanted = searched
  act(Effect.gen(function*() {
    const { conversations } = yield* api
    const found = yield* conversations.list({ urlParams: { search: wanted } })
    if (searched === wanted) update({ found })
  }))
}

// --- memory ----------------------------------------------------------------------------------------------------

export interface MemoryQuestion {
  readonly question: string
  /** Epoch milliseconds; undefined for now. */
  readonly asOf: number | undefined
}

let asked: MemoryQuestion = { question: "", asOf: undefined }

const readMemories = Effect.gen(function*() {
  const { memories } = yield* api
  const { asOf, question } = asked
  update({ memories: yield* memories.list({ urlParams: { question, asOf } }), revisions: undefined })
})

export const askMemory = (question: MemoryQuestion): void => {
  asked = question
  act(readMemories)
}

/** `done` runs when it is gone. */
export const forgetMemory = (id: string, done: () => void): void =>
  act(Effect.gen(function*() {
    const { memories } = yield* api
    yield* memories.forget({ path: { memory: id } })
    yield* readMemories
    done()
  }))

export const correctMemory = (id: string, version: number, text: string, done: () => void): void =>
  act(Effect.gen(function*() {
    const { memories } = yield* api
    yield* memories.correct({ path: { memory: id }, payload: { version, text } })
    yield* readMemories
    done()
  }))

export const showHistory = (id: string): void =>
  act(Effect.gen(function*() {
    const { memories } = yield* api
    update({ revisions: { id, all: yield* memories.history({ path: { memory: id } }) } })
  }))

// --- sessions --------------------------------------------------------------------------------------------------

const readSessions = Effect.gen(function*() {
  const { keys, privacy } = yield* api
  const { open } = current()
  const stored = open === undefined
    ? undefined
    : yield* Effect.catchTag(
      privacy.stored({ path: { conversation: open.id } }),
      "NoSuchConversation",
      () => Effect.succeed(undefined)
    )
  update({ keys: yield* keys.status(), stored })
})

export const openMemory = (): void => {
  asked = { question: "", asOf: undefined }
  act(readMemories)
}

export const openTools = (): void =>
  act(Effect.gen(function*() {
    const { server } = yield* api
    update({ tools: yield* server.tools() })
  }))

export const openSessions = (): void => act(readSessions)

const working = (what: "rotating" | "erasing") =>
  Effect.acquireRelease(
    Effect.sync(() => update({ working: what })),
    () => Effect.sync(() => update({ working: undefined }))
  )

/** Does nothing while the keys or the data are worked on. */
export const rotateKey = (): void => {
  if (current().working !== undefined) return
  act(Effect.scoped(Effect.gen(function*() {
    yield* working("rotating")
    const { keys } = yield* api
    update({ keys: yield* keys.rotate() })
    say("The key was changed.")
    yield* readSessions
  })))
}

export const eraseEverything = (): void =>
  act(Effect.scoped(Effect.gen(function*() {
    yield* working("erasing")
    const { conversations, privacy } = yield* api
    const receipt = yield* privacy.erase({ payload: { confirm: true } })
    forgetDrafts()
    go("/")
    say("Everything was erased.")
    update({ receipt, conversations: yield* conversations.list({ urlParams: {} }) })
    yield* readMemories
    yield* readSessions
  })))
