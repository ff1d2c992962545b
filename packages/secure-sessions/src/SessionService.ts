/**
 * Agent sessions, encrypted at rest: state, metadata and history under one data key per user.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as DataKeys from "./DataKeys.ts"
import * as Encryption from "./Encryption.ts"
import type { ErasureReceipt, ExportRecord } from "./Erasure.ts"
import type { IntegrityReport, VerifyOptions } from "./Integrity.ts"
import { makeAppend } from "./internal/appendEvent.ts"
import { makeChain } from "./internal/chainEvents.ts"
import { makeCreate } from "./internal/createSession.ts"
import { makeErase } from "./internal/eraseUser.ts"
import { makeRead } from "./internal/readSession.ts"
import { run, transact } from "./internal/runSql.ts"
import { makeSessionRows } from "./internal/sessionRows.ts"
import { makeVerify } from "./internal/verifySession.ts"
import type {
  EventAlreadyExists,
  IntegrityViolation,
  SerializationError,
  SessionAlreadyExists,
  SessionNotFound,
  StaleSession,
  StorageError
} from "./SecureSessionsError.ts"
import type {
  AppName,
  EventInput,
  Json,
  SecretName,
  Session,
  SessionEvent,
  SessionId,
  SessionRef,
  SessionSummary,
  State,
  StateInput,
  UserId
} from "./Session.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface CreateSession {
  readonly app: AppName
  readonly user: UserId
  /** Default: a random UUID. */
  readonly id?: SessionId | undefined
  /** Initial state; `app:` and `user:` keys are written to the shared state. */
  readonly state?: StateInput | undefined
  /** Anything about the session as a whole; encrypted, and fixed from then on. Default `null`. */
  readonly metadata?: Json | undefined
}

/**
 * Which events of the history a handle holds; all of them without options.
 *
 * @category models
 * @since 0.1.0
 */
export interface GetOptions {
  /** The last so many events. */
  readonly recent?: number | undefined
  /** Events of this time or later. */
  readonly after?: DateTime.Utc | undefined
  /** Without it the handle's state is empty; it is neither read nor opened then. Default `true`. */
  readonly includeState?: boolean | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface AppendOptions {
  /** State keys to set, in the same transaction as the event. */
  readonly stateDelta?: StateInput | undefined
  /** State keys to remove, of any scope, in the same transaction; keys that are not there are fine. */
  readonly removed?: ReadonlyArray<string> | undefined
  /**
   * What to do when somebody else appended first: `reject` (the default) fails with `StaleSession`; `retry` reads what
   * is new and appends after it.
   */
  readonly onStale?: "reject" | "retry" | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ListSessions {
  readonly app: AppName
  /** Default: the sessions of all users of the app. */
  readonly user?: UserId | undefined
  /** By the time of creation. Default `newest`, the newest first. */
  readonly order?: "newest" | "oldest" | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface EventsOptions {
  /** First sequence number to read. Default 1. */
  readonly fromSequence?: number | undefined
  /** Events read and opened at a time. Default 100. */
  readonly chunk?: number | undefined
}

/**
 * What can go wrong when a session is read.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadError = Encryption.OpenError | SerializationError

/**
 * What can go wrong when a session is written, besides the state of the session itself.
 *
 * @category errors
 * @since 0.1.0
 */
export type WriteError = Encryption.SealError | SerializationError

/**
 * @category services
 * @since 0.1.0
 */
export class SessionService extends Context.Tag("@sennit/secure-sessions/SessionService")<SessionService, {
  /** Makes a new session. */
  readonly create: (session: CreateSession) => Effect.Effect<Session, SessionAlreadyExists | WriteError>
  /** The session with its state and the wished part of its history. */
  readonly get: (ref: SessionRef, options?: GetOptions) => Effect.Effect<Option.Option<Session>, ReadError>
  /** The session of this id, made if there is none; of many callers at once one makes it and all get it. */
  readonly getOrCreate: (session: CreateSession) => Effect.Effect<Session, WriteError>
  /** Sessions of an app or of one of its users, in the order of creation; reads pages on demand and decrypts nothing. */
  readonly list: (query: ListSessions) => Stream.Stream<SessionSummary, StorageError>
  /** Adds an event and a state delta, both or neither, and answers the handle to go on with. */
  readonly append: (
    session: Session,
    event: EventInput,
    options?: AppendOptions
  ) => Effect.Effect<Session, StaleSession | SessionNotFound | EventAlreadyExists | IntegrityViolation | WriteError>
  /** The history by sequence, read in chunks; empty when there is no such session. */
  readonly events: (ref: SessionRef, options?: EventsOptions) => Stream.Stream<SessionEvent, ReadError>
  /**
   * Reads the whole history and fails with the first spot where it is not what was written. An older copy of the whole
   * session shows only against a report of after it: `since`.
   */
  readonly verify: (
    ref: SessionRef,
    options?: VerifyOptions
  ) => Effect.Effect<IntegrityReport, IntegrityViolation | SessionNotFound | ReadError>
  /** The state that all sessions of the app share: its `app:` keys. Empty when there is none. */
  readonly getAppState: (app: AppName) => Effect.Effect<State, ReadError>
  /** The state that the sessions of the user share: its `user:` keys. Empty when there is none. */
  readonly getUserState: (app: AppName, user: UserId) => Effect.Effect<State, ReadError>
  /** One secret of the session. Nothing else hands it out, and its siblings are not decrypted. */
  readonly getSecret: (
    ref: SessionRef,
    name: SecretName
  ) => Effect.Effect<Option.Option<Redacted.Redacted<Json>>, ReadError | Encryption.SealError>
  /**
   * Destroys the data key of the user and all their rows, in the file of SQLite as well; PostgreSQL keeps what was
   * deleted in its files until it reuses them. From then on whatever is asked for this user fails with `KeyShredded`,
   * for good. May be repeated. Not inside a transaction.
   */
  readonly eraseUser: (app: AppName, user: UserId) => Effect.Effect<ErasureReceipt, StorageError>
  /** All that is stored of the user, decrypted, in pieces; secrets stay redacted. */
  readonly exportUser: (app: AppName, user: UserId) => Stream.Stream<ExportRecord, ReadError>
  /** Removes the session, its history, its secrets and its own state; shared state stays. Nothing happens if there is none. */
  readonly delete: (ref: SessionRef) => Effect.Effect<void, StorageError>
}>() {}

/** Sessions of one page of the listing. */
const pageSize = 100

/**
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<
  typeof SessionService.Service,
  never,
  SqlClient.SqlClient | Encryption.Encryption | DataKeys.DataKeys
> = Effect.gen(function*() {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const cipher = yield* Encryption.Encryption
  const keys = yield* DataKeys.DataKeys
  const rows = makeSessionRows(sql)
  const reader = makeRead(sql, rows, cipher)
  const chain = makeChain(keys)
  const { create, getOrCreate } = makeCreate(sql, rows, cipher, chain, reader)
  const append = makeAppend(sql, rows, cipher, chain, reader)
  const verify = makeVerify(sql, rows, cipher, chain, reader)

  const get = Effect.fn("Session.get")((ref: SessionRef, options?: GetOptions) =>
    reader.readSession(ref, { last: options?.recent, after: options?.after?.epochMillis }, options?.includeState)
  )

  const list = (query: ListSessions) =>
    Stream.paginateChunkEffect(
      undefined,
      (cursor: SessionSummary | undefined) => reader.listPage(query, cursor, pageSize)
    )
      .pipe(Stream.withSpan("Session.list"))

  const events = (ref: SessionRef, options?: EventsOptions) => {
    const size = Math.max(1, options?.chunk ?? 100)
    return Stream.paginateChunkEffect(
      options?.fromSequence ?? 1,
      (fromSequence) =>
        Effect.map(reader.readEvents(ref, { fromSequence, first: size }), (page) => {
          const last = page.length === size ? page.at(-1) : undefined
          return [Chunk.unsafeFromArray(page), Option.map(Option.fromNullable(last), (event) => event.sequence + 1)]
        })
    ).pipe(Stream.withSpan("Session.events"))
  }

  const remove = Effect.fn("Session.delete")((ref: SessionRef) =>
    transact(
      sql,
      "Session.delete",
      Effect.forEach(rows.deleteSession(ref), (statement) => run("Session.delete", statement), { discard: true })
    )
  )

  const getAppState = Effect.fn("Session.getAppState")((app: AppName) => reader.readShared(app, ""))
  const getUserState = Effect.fn("Session.getUserState")((app: AppName, user: UserId) => reader.readShared(app, user))
  const getSecret = Effect.fn("Session.getSecret")(reader.readSecret)

  const exportSession = (ref: SessionRef) =>
    Stream.unwrap(Effect.map(
      Effect.all([reader.readSession(ref, { last: 0 }), reader.readSecrets(ref)]),
      ([found, secrets]) =>
        Stream.concat(
          Stream.map(
            Stream.fromIterable(Option.toArray(found)),
            (session): ExportRecord => ({ _tag: "Session", session, secrets })
          ),
          Stream.map(events(ref), (event): ExportRecord => ({ _tag: "Event", ref, event }))
        )
    ))

  const exportUser = (app: AppName, user: UserId) =>
    Stream.concat(
      Stream.map(Stream.fromEffect(getUserState(app, user)), (state): ExportRecord => ({ _tag: "UserState", state })),
      Stream.flatMap(list({ app, user }), ({ ref }) => exportSession(ref))
    ).pipe(Stream.withSpan("Session.exportUser"))

  return SessionService.of({
    create,
    get,
    getOrCreate,
    list,
    append,
    events,
    verify,
    getAppState,
    getUserState,
    getSecret,
    eraseUser: makeErase(sql, rows, keys),
    exportUser,
    delete: remove
  })
})
