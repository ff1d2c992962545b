/**
 * The person's conversations: each is an encrypted session whose events are the agent's own log, and a folder of the
 * store for its files. Runs belong to the server; pages come and go.
 */
import { type Agent, AgentRuns, ChatModel, type Documents, Files, type Memory, type WebClient } from "@sennit/agent"
import * as StoreFiles from "@sennit/agent/adapters/StoreFiles"
import { Session, SessionService } from "@sennit/secure-sessions"
import { Store, type StoreError } from "@sennit/store"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import {
  Conversation,
  ConversationBusy,
  ConversationSummary,
  FileRefused,
  type FileSummary,
  MAX_FILE_BYTES,
  type ModelSummary,
  NoSuchConversation,
  type Preview,
  StorageFailed,
  tooLarge,
  TooManyRuns
} from "./Api.ts"
import { EventHub } from "./EventHub.ts"
import { FileStore } from "./FileStore.ts"
import { type FileType, fileType } from "./FileType.ts"
import { Identity } from "./Identity.ts"
import { Models } from "./Models.ts"
import { PREVIEW_BYTES, previewOf } from "./Preview.ts"
import { followRun, type Live, messagesOf, readLog } from "./RunLog.ts"
import { fold } from "./Thread.ts"

/** What the agent's tools reach beside the files of their conversation. */
type World = Documents.Documents | Memory.Memory | WebClient.WebClient

/** What is asked; `model` is the id of one of the models, or the first of them answers. */
export interface Asked {
  readonly question: string
  readonly attachments: ReadonlyArray<string>
  readonly model?: ModelSummary["id"] | undefined
}

/** Who answers. */
export interface Options {
  readonly agent: Agent.Agent<Documents.Documents | Files.Files | Memory.Memory | WebClient.WebClient>
}

export interface StoredFile {
  readonly type: FileType
  readonly size: number
  readonly bytes: Stream.Stream<Uint8Array, StorageFailed>
}

export class Conversations extends Context.Tag("@sennit/demo/Conversations")<Conversations, {
  /** The latest conversations in which something was asked, newest first; with a text, those in which it occurs. */
  readonly list: (search?: string) => Effect.Effect<ReadonlyArray<ConversationSummary>, StorageFailed>
  readonly create: Effect.Effect<ConversationSummary, StorageFailed>
  readonly get: (id: string) => Effect.Effect<Conversation, NoSuchConversation | StorageFailed>
  /** Stops its run, then deletes the conversation and its files. */
  readonly delete: (id: string) => Effect.Effect<void, NoSuchConversation | StorageFailed>
  /** Starts an answer that goes on without a reader. `attachments` name files of the conversation. */
  readonly ask: (
    id: string,
    asked: Asked
  ) => Effect.Effect<
    { readonly run: string },
    NoSuchConversation | ConversationBusy | TooManyRuns | FileRefused | StorageFailed
  >
  /** Stops the answer, if one is being given, and waits until its tools are gone. */
  readonly stop: (id: string) => Effect.Effect<void, NoSuchConversation | StorageFailed>
  /** Stores a file; a name that is taken gets a number. Nothing of a refused or interrupted file is kept. */
  readonly putFile: (
    id: string,
    name: string,
    bytes: Stream.Stream<Uint8Array, FileRefused>
  ) => Effect.Effect<FileSummary, NoSuchConversation | FileRefused | StorageFailed>
  /** The bytes of a file, and what they are. */
  readonly readFile: (
    id: string,
    name: string
  ) => Effect.Effect<StoredFile, NoSuchConversation | FileRefused | StorageFailed>
  readonly preview: (
    id: string,
    name: string
  ) => Effect.Effect<Preview, NoSuchConversation | FileRefused | StorageFailed>
  /** Stops every answer, and begins nothing and takes no file while the effect runs. */
  readonly alone: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}>() {}

const MAX_BEGINNING = 64
const LISTED = 50
/** How many of the latest conversations a search reads. */
const SEARCHED = 1000
const AROUND = 40
const TITLE_LENGTH = 80
const UNTITLED = "New conversation"

const failed = (error: { readonly message: string }) => new StorageFailed({ detail: error.message })

const titleOf = (question: string): string => {
  const line = question.trim().split("\n", 1)[0] ?? ""
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1)}…` : line
}

const summaryOf = (session: Session.Session, running: boolean): ConversationSummary => {
  const { title } = session.state
  return new ConversationSummary({
    id: session.ref.id,
    title: typeof title === "string" ? title : UNTITLED,
    updatedAt: DateTime.toEpochMillis(session.updateTime),
    running
  })
}

/** The words around the first place where it occurs. */
const findIn = (texts: ReadonlyArray<string>, search: string): Option.Option<string> =>
  Arr.findFirst(texts, (text) => {
    const at = text.toLowerCase().indexOf(search.toLowerCase())
    if (at < 0) return Option.none()
    const from = Math.max(0, at - AROUND)
    const until = Math.min(text.length, at + search.length + AROUND)
    return Option.some(`${from > 0 ? "…" : ""}${text.slice(from, until)}${until < text.length ? "…" : ""}`)
  })

const decodeId = Schema.decodeUnknownOption(Session.SessionId)

const badType = (name: string, looksLike: string) =>
  new FileRefused({
    name,
    reason: "BadType",
    detail:
      `This is not a type I can read (it looks like ${looksLike}). I read CSV, JSON, text, Markdown, HTML, PDF and images.`
  })

const noFile = (name: string) =>
  new FileRefused({ name, reason: "NoSuchFile", detail: "This conversation has no such file." })

/** The same bytes, refused when they are none or too many. */
const bounded = (name: string, bytes: Stream.Stream<Uint8Array, FileRefused>) =>
  Stream.unwrap(Effect.sync(() => {
    let size = 0
    const counted = Stream.tap(bytes, (chunk) => {
      const found = size === 0 && chunk.length > 0 ? fileType(chunk) : undefined
      size += chunk.length
      if (found?.type === "other") return Effect.fail(badType(name, found.looksLike))
      return size > MAX_FILE_BYTES ? Effect.fail(tooLarge(name)) : Effect.void
    })
    const end = Effect.suspend(() =>
      size === 0 ? Effect.fail(new FileRefused({ name, reason: "Empty", detail: "The file is empty." })) : Effect.void
    )
    return Stream.concat(counted, Stream.execute(end))
  }))

const refusal = (name: string) => (error: StoreError.StoreError | FileRefused): FileRefused | StorageFailed => {
  if (error._tag === "FileRefused") return error
  return error._tag === "InvalidPath"
    ? new FileRefused({ name, reason: "BadName", detail: error.message })
    : failed(error)
}

const make = Effect.fnUntraced(function*({ agent }: Options) {
  const sessions = yield* SessionService.SessionService
  const store = yield* Store.Store
  const fileStore = yield* FileStore
  const { owner } = yield* Identity
  const runs = yield* AgentRuns.AgentRuns
  const models = yield* Models
  const hub = yield* EventHub
  const world = yield* Effect.context<World>()
  const followers = yield* FiberMap.make<string>()
  const lives = new Map<string, Live>()
  const beginning = new Set<string>()
  // Whoever begins something takes a permit, who wants to be alone takes all of them.
  const gate = yield* Effect.makeSemaphore(MAX_BEGINNING)

  const refOf = (id: string): Effect.Effect<Session.SessionRef, NoSuchConversation> =>
    Option.match(decodeId(id), {
      onNone: () => Effect.fail(new NoSuchConversation({ id })),
      onSome: (known) => Effect.map(owner, (whose) => ({ ...whose, id: known }))
    })

  /** The session with its events, or its newest `recent` ones. */
  const read = Effect.fnUntraced(function*(id: string, recent?: number) {
    const ref = yield* refOf(id)
    const found = yield* Effect.mapError(sessions.get(ref, recent === undefined ? {} : { recent }), failed)
    return yield* Option.match(found, {
      onNone: () => Effect.fail(new NoSuchConversation({ id })),
      onSome: Effect.succeed
    })
  })

  const folderOf = (id: string) => Effect.mapError(store.child(id), failed)

  const filesOf = (id: string) =>
    Effect.flatMap(folderOf(id), (folder) =>
      folder.list("").pipe(
        Stream.filterMap((entry) =>
          entry._tag === "Object"
            ? Option.some({ name: entry.key.slice(entry.key.lastIndexOf("/") + 1), size: entry.size })
            : Option.none()
        ),
        Stream.runCollect,
        Effect.map((files) => [...files]),
        Effect.mapError(failed)
      ))

  /** The line of the list for this conversation; none when it is gone or the text is not in it. */
  const look = Effect.fnUntraced(function*(id: string, search: string) {
    if (search === "") return Option.some(summaryOf(yield* read(id, 0), lives.has(id)))
    const session = yield* read(id)
    const blocks = fold((yield* readLog(session)).flatMap(({ events }) => events), undefined)
    const said = blocks.flatMap((block) => block.type === "question" || block.type === "text" ? [block.text] : [])
    const summary = summaryOf(session, lives.has(id))
    return Option.map(findIn([summary.title, ...said], search), (hit) => new ConversationSummary({ ...summary, hit }))
  }, Effect.catchTag("NoSuchConversation", () => Effect.succeedNone))

  const announce = (session: Session.Session, running: boolean) =>
    hub.publish([{ type: "conversation", conversation: summaryOf(session, running) }])

  const follow = (id: string, live: Live, title: string | undefined) =>
    followRun({
      live,
      title,
      publish: (changes) => hub.publish(changes.map((change) => ({ ...change, conversation: id }))),
      recorded: (session) => announce(session, true)
    }).pipe(
      Effect.provideService(SessionService.SessionService, sessions),
      Effect.provideService(AgentRuns.AgentRuns, runs),
      Effect.ensuring(Effect.suspend(() => {
        lives.delete(id)
        return Effect.zipRight(announce(live.session, false), Deferred.succeed(live.ended, undefined))
      }))
    )

  const begin = Effect.fnUntraced(function*(id: string, { attachments: names, model, question }: Asked) {
    const session = yield* read(id)
    const folder = yield* folderOf(id)
    const reachable = StoreFiles.make(folder)
    const attachments = yield* Effect.forEach(names, (name) =>
      Effect.flatMap(
        Effect.mapError(reachable.stat(name), failed),
        Option.match({
          onNone: () => Effect.fail(noFile(name)),
          onSome: Effect.succeed
        })
      ))
    const history = messagesOf(yield* readLog(session))
    const started = yield* runs.start(agent, { message: question, attachments, history }).pipe(
      Effect.provideService(Files.Files, reachable),
      Effect.provideService(ChatModel.ChatModel, models.get(model)),
      Effect.provide(world),
      Effect.catchTags({
        TooManyRuns: ({ limit }) => Effect.fail(new TooManyRuns({ limit })),
        RunAlreadyExists: Effect.die,
        RunStoreError: Effect.die
      })
    )
    const live: Live = { run: started.runId, events: [], session, stored: 0, ended: yield* Deferred.make<void>() }
    lives.set(id, live)
    yield* FiberMap.run(followers, id, follow(id, live, session.eventCount === 0 ? titleOf(question) : undefined))
    return { run: live.run }
  })

  const stop = Effect.fnUntraced(function*(id: string) {
    const live = lives.get(id)
    if (live === undefined) return
    yield* Effect.catchTags(runs.cancel(live.run), { RunNotFound: () => Effect.void, RunStoreError: Effect.die })
    yield* Deferred.await(live.ended)
  })

  const stopAll = Effect.suspend(() => Effect.forEach([...lives.keys()], stop, { concurrency: 8, discard: true }))

  // The server stops: every run ends, and its end is stored, before the session database closes.
  yield* Effect.addFinalizer(() => stopAll)

  /** The name, or the name with the first free number. */
  const write = (
    folder: Store.StoreOf<Store.Common>,
    name: string,
    bytes: Stream.Stream<Uint8Array, FileRefused>,
    attempt = 1
  ): Effect.Effect<FileSummary, StoreError.StoreError | FileRefused> => {
    const dot = name.lastIndexOf(".") > 0 ? name.lastIndexOf(".") : name.length
    const numbered = attempt === 1 ? name : `${name.slice(0, dot)} (${attempt})${name.slice(dot)}`
    return Effect.flatMap(folder.exists(numbered), (taken) =>
      taken && attempt < 1000
        ? write(folder, name, bytes, attempt + 1)
        : Effect.map(folder.write(numbered, bytes), ({ size }) => ({ name: numbered, size })))
  }

  /** The folder, where it has a file of this name, and the beginning of the file. */
  const headOf = Effect.fnUntraced(function*(id: string, name: string) {
    yield* read(id, 0)
    const folder = yield* folderOf(id)
    const found = (yield* filesOf(id)).find((file) => file.name === name)
    if (found === undefined) return yield* noFile(name)
    const range = { offset: 0, length: Math.min(found.size, PREVIEW_BYTES) }
    const head = yield* Effect.mapError(folder.readBytes(name, { range }), failed)
    return { folder, head, size: found.size }
  })

  return Conversations.of({
    preview: (id, name) => Effect.map(headOf(id, name), ({ head, size }) => previewOf(name, head, size)),
    readFile: (id, name) =>
      Effect.map(headOf(id, name), ({ folder, head, size }) => ({
        type: fileType(head),
        size,
        bytes: Stream.mapError(folder.read(name), failed)
      })),
    list: (search = "") =>
      Stream.flatMap(Stream.fromEffect(owner), sessions.list).pipe(
        Stream.filter(({ eventCount }) => eventCount > 0),
        // Titles are what was said, so they are sealed like it.
        search.trim() === "" ? Stream.take(LISTED) : Stream.take(SEARCHED),
        Stream.mapError(failed),
        Stream.mapEffect(({ ref }) => look(ref.id, search.trim())),
        Stream.filterMap((found) => found),
        Stream.take(LISTED),
        Stream.runCollect,
        Effect.map((summaries) => [...summaries])
      ),
    create: gate.withPermits(1)(Effect.mapBoth(Effect.flatMap(owner, sessions.create), {
      onFailure: failed,
      onSuccess: (session) => summaryOf(session, false)
    })),
    get: Effect.fnUntraced(function*(id) {
      // Taken before the session is read: should the run end meanwhile, its log is still complete here.
      const live = lives.get(id)
      const session = yield* read(id)
      const attached = yield* filesOf(id)
      const log = yield* readLog(session)
      return yield* Effect.map(hub.at, (at) => {
        const stored = log.filter(({ run }) => run !== live?.run).flatMap(({ events }) => events)
        const running = live !== undefined && lives.get(id) === live
        return new Conversation({
          summary: summaryOf(session, running),
          blocks: fold([...stored, ...live?.events ?? []], live?.run),
          files: attached,
          at
        })
      })
    }),
    delete: Effect.fnUntraced(function*(id) {
      yield* stop(id)
      const ref = yield* refOf(id)
      yield* read(id, 0)
      // The conversation goes last: whoever is stopped here can delete it again.
      yield* fileStore.removeAll(id)
      yield* Effect.mapError(sessions.delete(ref), failed)
      yield* hub.publish([{ type: "removed", conversation: id }])
    }),
    ask: Effect.fnUntraced(function*(id, asked) {
      if (lives.has(id) || beginning.has(id)) return yield* new ConversationBusy({ id })
      beginning.add(id)
      return yield* Effect.ensuring(
        gate.withPermits(1)(begin(id, asked)),
        Effect.sync(() => beginning.delete(id))
      )
    }),
    stop: (id) => Effect.zipRight(read(id, 0), stop(id)),
    putFile: Effect.fnUntraced(function*(id, name, bytes) {
      yield* read(id, 0)
      const folder = yield* folderOf(id)
      if (name.includes("/") || name.includes("\\")) {
        return yield* new FileRefused({ name, reason: "BadName", detail: "A file's name has no slash." })
      }
      return yield* Effect.mapError(write(folder, name, bounded(name, bytes)), refusal(name))
    }, gate.withPermits(1)),
    alone: (effect) => gate.withPermits(MAX_BEGINNING)(Effect.zipRight(stopAll, effect))
  })
})

export const layer = (
  options: Options
): Layer.Layer<
  Conversations,
  never,
  SessionService.SessionService | Store.Store | FileStore | Models | AgentRuns.AgentRuns | EventHub | Identity | World
> => Layer.scoped(Conversations, make(options))
