/**
 * The person's conversations: each is an encrypted session whose events are the agent's own log, and a folder of the
 * store for its files. Runs belong to the server; pages come and go.
 */
import {
  type Agent,
  type AgentError,
  AgentRuns,
  type Approval,
  type Charts,
  ChatModel,
  type CodeSandbox,
  type Documents,
  Files,
  type Memory,
  type Message,
  type WebClient
} from "@sennit/agent"
import * as StoreFiles from "@sennit/agent/adapters/StoreFiles"
import { Session, SessionService } from "@sennit/secure-sessions"
import type { Store } from "@sennit/store"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { LISTED, type ModelSummary, type Preview } from "./Api.ts"
import {
  ConversationBusy,
  type FileRefused,
  NoSuchConversation,
  NothingToDecide,
  StorageFailed,
  TooManyRuns
} from "./ApiError.ts"
import { Conversation, ConversationSummary, type FileSummary } from "./Block.ts"
import * as ConversationFiles from "./ConversationFiles.ts"
import { EventHub } from "./EventHub.ts"
import { FileStore } from "./FileStore.ts"
import { Identity } from "./Identity.ts"
import { Models } from "./Models.ts"
import { followRun, isWaiting, type Live, messagesOf, readLog, runIdOf, unfinishedRun } from "./RunLog.ts"
import { failed } from "./StorageProblem.ts"
import { fold } from "./Thread.ts"

/** What the agent's tools reach beside the files of their conversation. */
type World = Charts.Charts | CodeSandbox.CodeSandbox | Documents.Documents | Memory.Memory | WebClient.WebClient

/** What is asked; `model` is the id of one of the models, or the first of them answers. */
export interface Asked {
  readonly question: string
  /** Names of files of the conversation; what is described is taken as it is, and the tools say whether it is there. */
  readonly attachments: ReadonlyArray<string | Message.Attachment>
  readonly model?: ModelSummary["id"] | undefined
}

/** Who answers. */
export interface Options {
  /** Whether runs go on at the next start where this process ends; otherwise its end stops them. */
  readonly goesOn: boolean
  /** Taken anew for each answer: its tools may come and go. */
  readonly agent: Effect.Effect<Agent.Agent<Files.Files | World>>
}

export class Conversations extends Context.Tag("@sennit/demo/Conversations")<Conversations, {
  /**
   * The latest conversations in which something was asked, newest first, at most 50; with a text, those in which it
   * occurs. `before` goes on behind a conversation that was last changed then; those of that very moment come again.
   */
  readonly list: (
    options?: { readonly search?: string | undefined; readonly before?: number | undefined }
  ) => Effect.Effect<ReadonlyArray<ConversationSummary>, StorageFailed>
  readonly create: Effect.Effect<ConversationSummary, StorageFailed>
  readonly get: (id: string) => Effect.Effect<Conversation, NoSuchConversation | StorageFailed>
  /** The same, without what was said. */
  readonly find: (id: string) => Effect.Effect<ConversationSummary, NoSuchConversation | StorageFailed>
  /** The runs of all conversations. */
  readonly runs: Stream.Stream<AgentRuns.RunStatus, AgentError.RunStoreError>
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
  /** Goes on with an answer that the end of a process has cut off; false where there is none. */
  readonly resume: (id: string) => Effect.Effect<boolean, NoSuchConversation | StorageFailed>
  /** Lets a call that waits be run, or not; the answer goes on when nothing waits any more. */
  readonly decide: (
    id: string,
    callId: string,
    decision: Pick<Approval.Decision, "approved" | "why">
  ) => Effect.Effect<void, NoSuchConversation | NothingToDecide | StorageFailed>
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
  ) => Effect.Effect<ConversationFiles.StoredFile, NoSuchConversation | FileRefused | StorageFailed>
  readonly preview: (
    id: string,
    name: string
  ) => Effect.Effect<Preview, NoSuchConversation | FileRefused | StorageFailed>
  /** Stops every answer, and begins nothing and takes no file while the effect runs. */
  readonly alone: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}>() {}

const MAX_BEGINNING = 64
/** How many of the latest conversations a search reads. */
const SEARCHED = 1000
const AROUND = 40
const UNTITLED = "New conversation"

const summaryOf = (session: Session.Session, running: boolean): ConversationSummary => {
  const { title } = session.state
  return new ConversationSummary({
    id: session.ref.id,
    title: typeof title === "string" ? title : UNTITLED,
    updatedAt: DateTime.toEpochMillis(session.updateTime),
    running,
    waiting: isWaiting(session)
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

const make = Effect.fnUntraced(function*({ agent, goesOn }: Options) {
  const sessions = yield* SessionService.SessionService
  const fileStore = yield* FileStore
  const identity = yield* Identity
  const { owner } = identity
  const runs = yield* AgentRuns.AgentRuns
  const models = yield* Models
  const files = yield* ConversationFiles.make
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

  /** The line of the list for this conversation; none when it is gone or the text is not in it. */
  const look = Effect.fnUntraced(function*(id: string, search: string) {
    if (search === "") return Option.some(summaryOf(yield* read(id, 0), lives.has(id)))
    const session = yield* read(id)
    const blocks = fold((yield* readLog(session)).flatMap(({ events }) => events), undefined)
    const said = blocks.flatMap((block) => block.type === "question" || block.type === "text" ? [block.text] : [])
    const summary = summaryOf(session, lives.has(id))
    return Option.map(findIn([summary.title, ...said], search), (hit) => new ConversationSummary({ ...summary, hit }))
  }, Effect.catchTag("NoSuchConversation", () => Effect.succeedNone))

  /** All conversations in which something was asked, as they lie there: nothing is opened for it. */
  const byActivity = Stream.flatMap(Stream.fromEffect(owner), sessions.list).pipe(
    Stream.filter(({ eventCount }) => eventCount > 0),
    Stream.runCollect,
    Effect.map((found) => Arr.sortWith(found, ({ updateTime }) => updateTime, Order.reverse(DateTime.Order)))
  )

  const announce = (session: Session.Session, running: boolean) =>
    hub.publish([{ type: "conversation", conversation: summaryOf(session, running) }])

  /** Says how the conversation stands; one that is gone meanwhile has been told. */
  const announceNow = (id: string, running: boolean) =>
    Effect.ignore(Effect.flatMap(read(id, 0), (session) => announce(session, running)))

  const follow = Effect.fnUntraced(function*(id: string, run: string) {
    const live: Live = { run, events: [], ended: yield* Deferred.make<void>() }
    lives.set(id, live)
    const following = followRun({
      live,
      publish: (changes) => hub.publish(changes.map((change) => ({ ...change, conversation: id }))),
      begun: announceNow(id, true)
    }).pipe(
      Effect.provideService(AgentRuns.AgentRuns, runs),
      Effect.ensuring(Effect.suspend(() => {
        lives.delete(id)
        return Effect.zipRight(announceNow(id, false), Deferred.succeed(live.ended, undefined))
      }))
    )
    yield* FiberMap.run(followers, id, following)
    return { run }
  })

  /** What the tools of a conversation reach. */
  const inConversation = (folder: Store.StoreOf<Store.Common>, model: Asked["model"]) =>
    Context.merge(
      world,
      Context.make(Files.Files, StoreFiles.make(folder)).pipe(Context.add(ChatModel.ChatModel, models.get(model)))
    )

  /** Waits until the question is safe: who asked keeps it otherwise. */
  const isStored = (runId: string) =>
    Stream.runHead(runs.attach(runId)).pipe(
      Effect.mapError(failed),
      Effect.flatMap(Option.match({
        onNone: () => new StorageFailed({ detail: "The question could not be stored. Send it again." }),
        onSome: () => Effect.void
      }))
    )

  const begin = Effect.fnUntraced(function*(id: string, { attachments: named, model, question }: Asked) {
    const session = yield* read(id)
    const folder = yield* files.folderOf(id)
    const reachable = StoreFiles.make(folder)
    const attachments = yield* Effect.forEach(
      named,
      (name) =>
        typeof name !== "string" ? Effect.succeed(name) : Effect.flatMap(
          Effect.mapError(reachable.stat(name), failed),
          Option.match({
            onNone: () => Effect.fail(ConversationFiles.noFile(name)),
            onSome: Effect.succeed
          })
        )
    )
    // A new question ends what was left open: runs of a conversation never overlap.
    const open = unfinishedRun(session)
    if (open !== undefined) yield* Effect.mapError(runs.cancel(open), failed)
    const history = messagesOf(yield* readLog(open === undefined ? session : yield* read(id)))
    const { id: conversation, user } = session.ref
    const runId = runIdOf(session.ref, crypto.randomUUID())
    yield* runs.start(yield* agent, { message: question, attachments, history, runId, conversation, user }).pipe(
      Effect.provide(inConversation(folder, model)),
      Effect.catchTags({
        TooManyRuns: ({ limit }) => Effect.fail(new TooManyRuns({ limit })),
        RunAlreadyExists: Effect.die,
        RunStoreError: (error) => Effect.fail(failed(error))
      })
    )
    yield* isStored(runId)
    return yield* follow(id, runId)
  })

  /** Goes on with what the end of an earlier process has cut off; finished tools are not run again. */
  const resume = Effect.fn("Conversations.resume")(function*(id: string) {
    const run = unfinishedRun(yield* read(id, 0))
    if (run === undefined || lives.has(id)) return false
    const folder = yield* files.folderOf(id)
    yield* Effect.mapError(Effect.provide(runs.resume(yield* agent, run), inConversation(folder, undefined)), failed)
    yield* follow(id, run)
    return true
  })

  /** What waits for a decision is left alone until there is one. */
  const takeUp = (id: string) =>
    Effect.flatMap(read(id, 0), (session) => isWaiting(session) ? Effect.succeed(false) : resume(id))

  const resumeAll = Stream.flatMap(Stream.fromEffect(owner), sessions.list).pipe(
    Stream.take(SEARCHED),
    Stream.runForEach(({ ref }) => Effect.ignoreLogged(takeUp(ref.id)))
  )

  const decide = Effect.fn("Conversations.decide")(function*(
    id: string,
    callId: string,
    decision: Pick<Approval.Decision, "approved" | "why">
  ) {
    const run = unfinishedRun(yield* read(id, 0))
    if (run === undefined) return yield* new NothingToDecide()
    const { outcome, running } = yield* runs.approve(run, callId, { ...decision, by: identity.name }).pipe(
      Effect.mapError((error) => error._tag === "RunStateError" ? new NothingToDecide() : failed(error))
    )
    if (lives.has(id)) return
    // In this process the last decision lets it go on; one that was suspended by an earlier process is taken up.
    if (running || outcome !== undefined) yield* follow(id, run)
    else yield* resume(id)
  })

  const stop = Effect.fnUntraced(function*(id: string) {
    const live = lives.get(id)
    if (live === undefined) return
    // A log that cannot be written is told in the thread.
    yield* Effect.ignore(runs.cancel(live.run))
    yield* Deferred.await(live.ended)
  })

  const stopAll = Effect.suspend(() => Effect.forEach([...lives.keys()], stop, { concurrency: 8, discard: true }))

  if (goesOn) yield* Effect.forkScoped(Effect.ignoreLogged(resumeAll))
  // Every run ends, and its end is stored, before the session database closes.
  else yield* Effect.addFinalizer(() => stopAll)

  return Conversations.of({
    preview: (id, name) => Effect.zipRight(read(id, 0), files.preview(id, name)),
    readFile: (id, name) => Effect.zipRight(read(id, 0), files.read(id, name)),
    list: ({ before = Number.POSITIVE_INFINITY, search = "" } = {}) =>
      Stream.unwrap(
        Effect.map(byActivity, (found) =>
          Stream.fromIterable(found.filter(({ updateTime }) => DateTime.toEpochMillis(updateTime) <= before)))
      ).pipe(
        // Titles are what was said, so they are sealed like it.
        search.trim() === "" ? Stream.take(LISTED) : Stream.take(SEARCHED),
        Stream.mapError(failed),
        Stream.mapEffect(({ ref }) =>
          look(ref.id, search.trim())
        ),
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
      const attached = yield* files.list(id)
      const log = yield* readLog(session)
      return yield* Effect.map(hub.at, (at) => {
        const isHere = live !== undefined && live.events.length > 0
        const stored = log.filter(({ run }) => !isHere || run !== live.run).flatMap(({ events }) => events)
        const running = live !== undefined && lives.get(id) === live
        return new Conversation({
          summary: summaryOf(session, running),
          blocks: fold([...stored, ...live?.events ?? []], live?.run),
          files: attached,
          at
        })
      })
    }),
    find: (id) => Effect.map(read(id, 0), (session) => summaryOf(session, lives.has(id))),
    runs: Stream.flatMap(Stream.fromEffect(owner), ({ user }) => runs.list({ user })),
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
    resume,
    decide,
    stop: Effect.fnUntraced(function*(id) {
      const run = unfinishedRun(yield* read(id, 0))
      if (lives.has(id) || run === undefined) return yield* stop(id)
      // It waits for a decision, or was cut off: now it has an end.
      yield* Effect.mapError(runs.cancel(run), failed)
      yield* follow(id, run)
    }),
    putFile: Effect.fnUntraced(function*(id, name, bytes) {
      yield* read(id, 0)
      return yield* files.put(id, name, bytes)
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
