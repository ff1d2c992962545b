/**
 * Sessions for the Agent Development Kit: the session service of a `Runner` of `@google/adk`, encrypted. ADK is an
 * optional peer, so this module is imported by its path: `@sennit/secure-sessions/Adk`.
 *
 * @since 0.1.0
 */
import { BaseSessionService } from "@google/adk"
import type {
  AppendEventRequest,
  CreateSessionRequest,
  DeleteSessionRequest,
  Event,
  GetSessionRequest,
  ListSessionsRequest,
  ListSessionsResponse,
  Session as AdkSession
} from "@google/adk"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fromStored, toDelta, toStored, trimDelta, withoutTemporary } from "./internal/convertEvent.ts"
import { layerOf } from "./internal/openSessions.ts"
import type { SessionsOptions } from "./Promise.ts"
import { SerializationError, SessionAlreadyExists, SessionNotFound, StaleSession } from "./SecureSessionsError.ts"
import type { Session, SessionSummary } from "./Session.ts"
import { AppName, SessionId, SessionRef, UserId } from "./Session.ts"
import { SessionService } from "./SessionService.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface AdkOptions {
  /**
   * What an append through a session object does when somebody else appended since it was read: `reject` (the default)
   * rejects with `StaleSession` and leaves object and database as they are; `retry` adds what is new to the object and
   * appends after it.
   */
  readonly onStale?: "reject" | "retry" | undefined
}

/** Where a session object stands. Copies keep it; objects that came as JSON or were made by hand have none. */
const mark: unique symbol = Symbol.for("@sennit/secure-sessions/Adk")

type Mark = Pick<SessionSummary, "revision" | "eventCount" | "createTime">

type MarkedSession = AdkSession & { [mark]?: Mark }

const NewIds = Schema.Struct({ app: AppName, user: UserId, id: Schema.optional(SessionId) })
const Owner = Schema.Struct({ app: AppName, user: Schema.optional(UserId) })

const decode = <A, I>(schema: Schema.Schema<A, I>, input: I): Effect.Effect<A, SerializationError> =>
  Effect.mapError(Schema.decode(schema)(input), () => new SerializationError({ reason: "InvalidInput", path: [] }))

const refOf = (key: DeleteSessionRequest) =>
  decode(SessionRef, { app: key.appName, user: key.userId, id: key.sessionId })

const markOf = ({ createTime, eventCount, revision }: Session): Mark => ({ createTime, eventCount, revision })

const toAdk = (session: Session): Effect.Effect<MarkedSession, SerializationError> =>
  Effect.map(fromStored(session.events), (events) => ({
    id: session.ref.id,
    appName: session.ref.app,
    userId: session.ref.user,
    state: withoutTemporary(session.state),
    events,
    lastUpdateTime: session.updateTime.epochMillis,
    [mark]: markOf(session)
  }))

const toNew = (request: CreateSessionRequest) =>
  Effect.all([
    // ADK takes an empty id for none.
    decode(NewIds, {
      app: request.appName,
      user: request.userId,
      id: request.sessionId === "" ? undefined : request.sessionId
    }),
    toDelta(request.state ?? {})
  ]).pipe(Effect.map(([ids, { stateDelta }]) => ({ ...ids, state: stateDelta })))

const create = (request: CreateSessionRequest) =>
  toNew(request).pipe(
    Effect.flatMap((input) => Effect.flatMap(SessionService, (sessions) => sessions.create(input))),
    Effect.flatMap(toAdk)
  )

const getOrCreate = (request: CreateSessionRequest) =>
  toNew(request).pipe(
    Effect.flatMap((input) => Effect.flatMap(SessionService, (sessions) => sessions.getOrCreate(input))),
    Effect.flatMap(toAdk)
  )

/** The end of the history of which every event has the time or a later one: an earlier one ends it, as in ADK. */
const endAfter = (session: Session, time: number): Session => {
  const { eventCount, events } = session
  let from = events.length
  while (
    from > 0 && events[from - 1]!.time.epochMillis >= time &&
    events[from - 1]!.sequence === eventCount - events.length + from
  ) from--
  return { ...session, events: events.slice(from) }
}

const get = Effect.fnUntraced(function*({ config, ...key }: GetSessionRequest) {
  const sessions = yield* SessionService
  const ref = yield* refOf(key)
  // ADK takes 0 for no limit.
  const after = config?.afterTimestamp || undefined
  const found = yield* sessions.get(ref, {
    recent: config?.numRecentEvents || undefined,
    after: after === undefined ? undefined : DateTime.unsafeMake(Math.floor(after))
  })
  if (Option.isNone(found)) return undefined
  return yield* toAdk(after === undefined ? found.value : endAfter(found.value, after))
})

const byUpdate = (left: AdkSession, right: AdkSession) =>
  left.lastUpdateTime - right.lastUpdateTime || left.id.localeCompare(right.id)

const byUpdateBackwards = (left: AdkSession, right: AdkSession) =>
  right.lastUpdateTime - left.lastUpdateTime || left.id.localeCompare(right.id)

/** The page in ADK's terms. */
const pageOf = (
  all: ReadonlyArray<AdkSession>,
  { limit, offset = 0, page }: ListSessionsRequest
): ListSessionsResponse => {
  const totalItems = all.length
  if (limit === undefined) {
    return { sessions: all.slice(offset), page: 1, limit: totalItems, totalItems, totalPages: Math.min(totalItems, 1) }
  }
  const from = page === undefined ? offset : (page - 1) * limit
  return {
    sessions: all.slice(from, from + limit),
    page: page ?? (limit === 0 ? 1 : Math.floor(from / limit) + 1),
    limit,
    totalItems,
    totalPages: limit === 0 ? 0 : Math.ceil(totalItems / limit)
  }
}

const list = Effect.fnUntraced(function*(request: ListSessionsRequest) {
  const sessions = yield* SessionService
  const owner = yield* decode(Owner, { app: request.appName, user: request.userId })
  const found = yield* Stream.runCollect(sessions.list({ ...owner, order: "oldest" }))
  const all = Array.from(found, ({ ref, updateTime }): AdkSession => ({
    id: ref.id,
    appName: ref.app,
    userId: ref.user,
    state: {},
    events: [],
    lastUpdateTime: updateTime.epochMillis
  }))
  if (request.order !== undefined) all.sort(request.order === "asc" ? byUpdate : byUpdateBackwards)
  return pageOf(all, request)
})

const remove = (key: DeleteSessionRequest) =>
  Effect.flatMap(refOf(key), (ref) => Effect.flatMap(SessionService, (sessions) => sessions.delete(ref)))

/** An object without a mark is as new as what is stored when it says so of its last update, as in ADK. */
const findMark = Effect.fnUntraced(function*(ref: SessionRef, session: AdkSession) {
  const found = yield* Effect.flatMap(
    SessionService,
    (sessions) => sessions.get(ref, { recent: 0, includeState: false })
  )
  if (Option.isNone(found)) return yield* new SessionNotFound({ ref })
  const { revision, updateTime } = found.value
  if (updateTime.epochMillis > session.lastUpdateTime) {
    return yield* new StaleSession({ ref, expected: session.events.length, actual: revision })
  }
  return markOf(found.value)
})

/** Stores the event and brings the session object to what is stored. */
const append = Effect.fnUntraced(function*(session: MarkedSession, event: Event, options: AdkOptions) {
  const sessions = yield* SessionService
  const ref = yield* refOf({ appName: session.appName, userId: session.userId, sessionId: session.id })
  const { removed, stateDelta, ...input } = yield* toStored(event)
  const known = session[mark] ?? (yield* findMark(ref, session))
  const updateTime = DateTime.unsafeMake(session.lastUpdateTime)
  const appended = yield* sessions.append(
    { ref, ...known, updateTime, metadata: null, state: {}, events: [] },
    input,
    { stateDelta, removed, onStale: options.onStale }
  )
  const missed = yield* fromStored(appended.events.slice(0, -1))
  if (missed.length > 0) {
    session.events.push(...missed)
    session.state = { ...session.state, ...withoutTemporary(appended.state) }
  }
  session[mark] = markOf(appended)
})

const isTaken = Schema.is(SessionAlreadyExists)
const isMissing = Schema.is(SessionNotFound)

/** Where ADK's services have words for it, these, with the error of this package as the cause. */
const inWordsOfAdk = (error: unknown): unknown => {
  if (isTaken(error)) return new Error(`Session with id ${error.ref.id} already exists.`, { cause: error })
  if (isMissing(error)) return new Error(`Session ${error.ref.id} not found for appendEvent`, { cause: error })
  return error
}

/**
 * A session service for ADK's `Runner`. It behaves as ADK's own services do, with these differences: an append through
 * a session object that is not up to date rejects with `StaleSession`; an event is stored once and never replaced;
 * events and state have to be what JSON carries exactly; and a state key under `secret:` is stored apart: the object on
 * which it was set shows it, and `SessionService.getSecret`.
 *
 * @category services
 * @since 0.1.0
 */
export class EncryptedSessionService extends BaseSessionService implements AsyncDisposable {
  readonly #runtime: Runtime.Runtime<SessionService>
  readonly #options: AdkOptions
  readonly #release: () => Promise<void>
  /** Appends through one object wait for each other, each to find the mark of the one before. */
  readonly #turns = new WeakMap<AdkSession, Effect.Semaphore>()

  constructor(
    runtime: Runtime.Runtime<SessionService>,
    options: AdkOptions = {},
    release: () => Promise<void> = () => Promise.resolve()
  ) {
    super()
    this.#runtime = runtime
    this.#options = options
    this.#release = release
  }

  /**
   * Opens the sessions of a file or of a PostgreSQL database; `await using` closes them. Rejects with
   * `ConfigurationError` (`WrongKey`) when the key does not open what is stored.
   *
   * @since 0.1.0
   */
  static open(options: SessionsOptions & AdkOptions): Promise<EncryptedSessionService> {
    const managed = ManagedRuntime.make(layerOf(options))
    return managed.runPromiseExit(Effect.runtime<SessionService>()).then(Exit.match({
      onSuccess: (runtime) => new EncryptedSessionService(runtime, options, () => managed.dispose()),
      onFailure: (cause) => managed.dispose().then(() => Promise.reject(Cause.squash(cause)))
    }))
  }

  #run<A, E>(effect: Effect.Effect<A, E, SessionService>): Promise<A> {
    return Runtime.runPromiseExit(this.#runtime)(effect).then(Exit.match({
      onSuccess: (value) => value,
      onFailure: (cause) => {
        throw inWordsOfAdk(Cause.squash(cause))
      }
    }))
  }

  #turnOf(session: AdkSession): Effect.Semaphore {
    const known = this.#turns.get(session)
    if (known !== undefined) return known
    const turn = Effect.unsafeMakeSemaphore(1)
    this.#turns.set(session, turn)
    return turn
  }

  override createSession(request: CreateSessionRequest): Promise<AdkSession> {
    return this.#run(create(request))
  }

  override getSession(request: GetSessionRequest): Promise<AdkSession | undefined> {
    return this.#run(get(request))
  }

  /** Of many callers at once one makes the session and all get it. */
  override getOrCreateSession(request: CreateSessionRequest): Promise<AdkSession> {
    return this.#run(getOrCreate(request))
  }

  override listSessions(request: ListSessionsRequest): Promise<ListSessionsResponse> {
    return this.#run(list(request))
  }

  override deleteSession(request: DeleteSessionRequest): Promise<void> {
    return this.#run(remove(request))
  }

  override appendEvent({ event, session }: AppendEventRequest): Promise<Event> {
    if (event.partial === true) return Promise.resolve(event)
    const show = Effect.promise(() => {
      trimDelta(event)
      session.lastUpdateTime = event.timestamp
      return super.appendEvent({ session, event })
    })
    return this.#run(
      Effect.zipRight(append(session, event, this.#options), show).pipe(this.#turnOf(session).withPermits(1))
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#release()
  }
}

/**
 * The service on the layers of the program that builds it, which also close it.
 *
 * @example
 * ```ts
 * import { KeyProvider, SecureSessions } from "@sennit/secure-sessions"
 * import * as Adk from "@sennit/secure-sessions/Adk"
 * import { Effect, Layer } from "effect"
 *
 * const layer = SecureSessions.layerSqlite({ filename: "sessions.db" }).pipe(Layer.provide(KeyProvider.layerConfig))
 *
 * const program = Effect.gen(function*() {
 *   const sessionService = yield* Adk.make()
 *   const session = yield* Effect.promise(() => sessionService.createSession({ appName: "desk", userId: "ada" }))
 *   return session.id
 * }).pipe(Effect.provide(layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: AdkOptions): Effect.Effect<EncryptedSessionService, never, SessionService> =>
  Effect.map(Effect.runtime<SessionService>(), (runtime) => new EncryptedSessionService(runtime, options))
