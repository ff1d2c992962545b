/** The page's one state, folded from snapshots and server events; components select from it. */
import * as Effect from "effect/Effect"
import { useSyncExternalStore } from "react"
import type {
  KeyStatus,
  MemoryRevision,
  MemorySummary,
  ModelSummary,
  Receipt,
  ServerInfo,
  StoredRecord,
  ToolList
} from "../Api.ts"
import type { Block, Conversation, ConversationSummary, FileSummary, UiEvent } from "../Block.ts"
import { apply } from "../Thread.ts"

export interface Settings {
  readonly theme: "system" | "light" | "dark"
  /** Single letters are keys: `/` and `?`. */
  readonly letterKeys: boolean
  /** Follows a long answer to its end, past the top of its question. */
  readonly alwaysFollow: boolean
}

/** The parts of the inspector; the open one is in the address. */
export const panels = ["run", "memory", "sessions", "files", "tools"] as const
export type Panel = (typeof panels)[number]

interface OpenConversation {
  readonly id: string
  readonly summary: ConversationSummary
  readonly blocks: ReadonlyArray<Block>
  readonly files: ReadonlyArray<FileSummary>
}

export interface State {
  readonly connection: "connecting" | "live" | "lost"
  /** What the connection last did, in words: said until the next thing happens. */
  readonly notice: string | undefined
  readonly info: ServerInfo | undefined
  /** Who is signed in, or whom the server is for; undefined until that is known, and after it ended. */
  readonly person: string | undefined
  /** Whether people sign in here. */
  readonly signsIn: boolean
  /** A sign-in is needed to go on; the page stays as it is. */
  readonly signedOut: boolean
  readonly settings: Settings
  readonly panel: Panel | undefined
  /** Who is asked; undefined for the server's first model. */
  readonly model: ModelSummary["id"] | undefined
  readonly conversations: ReadonlyArray<ConversationSummary> | undefined
  /** Whether the server has older ones. */
  readonly hasMore: boolean
  /** What a search found; undefined while nothing is searched for. */
  readonly found: ReadonlyArray<ConversationSummary> | undefined
  readonly memories: ReadonlyArray<MemorySummary> | undefined
  /** The memory whose versions are shown. */
  readonly revisions: { readonly id: string; readonly all: ReadonlyArray<MemoryRevision> } | undefined
  readonly keys: KeyStatus | undefined
  /** What the assistant can use, as it was when the panel was opened. */
  readonly tools: ToolList | undefined
  /** What is being done to the keys or the data; one at a time. */
  readonly working: "rotating" | "erasing" | undefined
  readonly stored: ReadonlyArray<StoredRecord> | undefined
  readonly receipt: Receipt | undefined
  /** The conversation of the address: undefined on the page of a new one. */
  readonly route: string | undefined
  readonly open: OpenConversation | undefined
  /** After how many of its steps the conversation is shown; undefined for as it is. */
  readonly step: number | undefined
  /** Counts the addresses gone to: a new conversation that gets its address at the first question is still the same visit. */
  readonly visit: number
  /** Why the conversation of the address cannot be shown. */
  readonly missing: string | undefined
  /** A failed action, said until the next one succeeds. */
  readonly problem: string | undefined
  /** A short text for screen readers: what just began or ended. */
  readonly status: string
  /** Files chosen for the next question, by conversation or "new". */
  readonly chosen: Readonly<Record<string, ReadonlyArray<ChosenFile>>>
}

export interface ChosenFile {
  readonly name: string
  readonly size: number
  readonly state: "uploading" | "ready"
}

let state: State = {
  connection: "connecting",
  notice: undefined,
  info: undefined,
  person: undefined,
  signsIn: false,
  signedOut: false,
  settings: { theme: "system", letterKeys: true, alwaysFollow: false },
  panel: undefined,
  model: undefined,
  conversations: undefined,
  hasMore: false,
  found: undefined,
  memories: undefined,
  revisions: undefined,
  keys: undefined,
  tools: undefined,
  working: undefined,
  stored: undefined,
  receipt: undefined,
  route: undefined,
  open: undefined,
  step: undefined,
  visit: 0,
  missing: undefined,
  problem: undefined,
  status: "",
  chosen: {}
}
const listeners = new Set<() => void>()

export const current = (): State => state

export const update = (change: Partial<State>): void => {
  state = { ...state, ...change }
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** Selects from the state; the selector returns a part of it, never a fresh object. */
export const useState = <A>(select: (state: State) => A): A => useSyncExternalStore(subscribe, () => select(state))

const byActivity = (summaries: ReadonlyArray<ConversationSummary>) =>
  summaries.toSorted((a, b) => b.updatedAt - a.updatedAt)

const withSummary = (before: State, summary: ConversationSummary): State => {
  const others = (before.conversations ?? []).filter(({ id }) => id !== summary.id)
  const conversations = byActivity([summary, ...others])
  if (before.open?.id !== summary.id) return { ...before, conversations }
  return { ...before, conversations, open: { ...before.open, summary } }
}

/** What a tool has made is a file of the conversation. */
const withMade = (files: ReadonlyArray<FileSummary>, event: UiEvent): ReadonlyArray<FileSummary> => {
  if (event.type !== "block" || event.block.type !== "tool") return files
  const made = event.block.files.filter(({ name }) => !files.some((file) => file.name === name))
  return made.length === 0 ? files : [...files, ...made]
}

const withEvent = (before: State, event: UiEvent): State | undefined => {
  if (event.type === "conversation") return withSummary(before, event.conversation)
  if (event.type === "removed") {
    const conversations = before.conversations?.filter(({ id }) => id !== event.conversation)
    const missing = before.route === event.conversation ? "This conversation was deleted." : before.missing
    const open = before.open?.id === event.conversation ? undefined : before.open
    return { ...before, conversations, missing, open }
  }
  if (before.open?.id !== event.conversation) return before
  const blocks = apply(before.open.blocks, event)
  return blocks === undefined
    ? undefined
    : { ...before, open: { ...before.open, blocks, files: withMade(before.open.files, event) } }
}

/** What has happened since each of the reads that are under way was begun. */
const sinceReading = new Set<Array<UiEvent>>()

/** Answers whether the open conversation has a gap and must be read anew. */
const fold = (events: ReadonlyArray<UiEvent>): "ok" | "gap" => {
  let folded = state
  let result: "ok" | "gap" = "ok"
  for (const event of events) {
    const next = withEvent(folded, event)
    if (next === undefined) result = "gap"
    else folded = next
  }
  update(folded)
  return result
}

/** Folds one flush of events into the state; answers whether the open conversation has a gap and must be read anew. */
export const applyEvents = (events: ReadonlyArray<UiEvent>): "ok" | "gap" => {
  for (const since of sinceReading) since.push(...events)
  return fold(events)
}

/**
 * Reads from the server and shows what came. An answer may be older than events that were heard while it was on its
 * way: they are folded in again, which changes nothing where it had them.
 */
export const readThenShow = <A, E, R>(
  read: Effect.Effect<A, E, R>,
  showFound: (found: A) => void
): Effect.Effect<void, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const since: Array<UiEvent> = []
      sinceReading.add(since)
      return since
    }),
    (since) =>
      Effect.map(read, (found) => {
        showFound(found)
        fold(since)
      }),
    (since) => Effect.sync(() => sinceReading.delete(since))
  )

/** Shows a conversation as read from the server. */
export const show = (conversation: Conversation): void =>
  update({
    missing: undefined,
    open: {
      id: conversation.summary.id,
      summary: conversation.summary,
      blocks: conversation.blocks,
      files: conversation.files
    }
  })
