/**
 * Sessions for programs without Effect: plain values in, promises out. Rejections are the typed errors of
 * `SecureSessionsError` themselves.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ErasureReceipt, ExportRecord } from "./Erasure.ts"
import type { IntegrityReport, VerifyOptions } from "./Integrity.ts"
import { layerOf } from "./internal/openSessions.ts"
import type { Synchronous } from "./SecureSessionsConfig.ts"
import { SerializationError } from "./SecureSessionsError.ts"
import type {
  EventInput,
  Json,
  SecretName,
  Session,
  SessionEvent,
  SessionSummary,
  State,
  StateInput
} from "./Session.ts"
import { AppName, EventId, SessionId, SessionRef, UserId } from "./Session.ts"
import * as SessionService from "./SessionService.ts"

/**
 * Where sessions are stored, in a SQLite file or in PostgreSQL, and what opens them: `key`, 32 bytes (or their hex or
 * base64), or `passphrase`.
 *
 * @category models
 * @since 0.1.0
 */
export type SessionsOptions =
  & ({ readonly filename: string; readonly synchronous?: Synchronous | undefined } | { readonly url: string })
  & ({ readonly key: Uint8Array | string } | { readonly passphrase: string })

/**
 * @category models
 * @since 0.1.0
 */
export interface Ref {
  readonly app: string
  readonly user: string
  readonly id: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface NewSession {
  readonly app: string
  readonly user: string
  readonly id?: string | undefined
  readonly state?: StateInput | undefined
  readonly metadata?: Json | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface NewEvent {
  readonly id?: string | undefined
  readonly time?: Date | undefined
  readonly author: string
  readonly body: Json
}

/**
 * Which events a handle holds: the last so many, those of a time or later; all without.
 *
 * @category models
 * @since 0.1.0
 */
export interface Window {
  readonly recent?: number | undefined
  readonly after?: Date | undefined
}

/**
 * The service as an object of promises. `await using` closes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sessions extends AsyncDisposable {
  readonly create: (session: NewSession) => Promise<Session>
  readonly get: (ref: Ref, window?: Window) => Promise<Session | undefined>
  readonly getOrCreate: (session: NewSession) => Promise<Session>
  readonly list: (query: { readonly app: string; readonly user?: string | undefined }) => AsyncIterable<SessionSummary>
  readonly append: (session: Session, event: NewEvent, options?: SessionService.AppendOptions) => Promise<Session>
  readonly events: (ref: Ref, options?: SessionService.EventsOptions) => AsyncIterable<SessionEvent>
  readonly verify: (ref: Ref, options?: VerifyOptions) => Promise<IntegrityReport>
  readonly eraseUser: (app: string, user: string) => Promise<ErasureReceipt>
  readonly exportUser: (app: string, user: string) => AsyncIterable<ExportRecord>
  readonly getAppState: (app: string) => Promise<State>
  readonly getUserState: (app: string, user: string) => Promise<State>
  readonly getSecret: (ref: Ref, name: SecretName) => Promise<Redacted.Redacted<Json> | undefined>
  readonly delete: (ref: Ref) => Promise<void>
}

const NewSessionIds = Schema.Struct({ app: AppName, user: UserId, id: Schema.optional(SessionId) })
const Owner = Schema.Struct({ app: AppName, user: Schema.optional(UserId) })
const EventIds = Schema.Struct({ id: Schema.optional(EventId), time: Schema.optional(Schema.DateTimeUtcFromDate) })

const decode = <A, I>(schema: Schema.Schema<A, I>, input: I): Effect.Effect<A, SerializationError> =>
  Effect.mapError(Schema.decode(schema)(input), () => new SerializationError({ reason: "InvalidInput", path: [] }))

const decodeNew = (input: NewSession): Effect.Effect<SessionService.CreateSession, SerializationError> =>
  Effect.map(decode(NewSessionIds, { app: input.app, user: input.user, id: input.id }), (ids) => ({
    ...ids,
    state: input.state,
    metadata: input.metadata
  }))

const decodeUser = (app: string, user: string) => Effect.all([decode(AppName, app), decode(UserId, user)])

const decodeEvent = (event: NewEvent): Effect.Effect<EventInput, SerializationError> =>
  Effect.map(decode(EventIds, { id: event.id, time: event.time }), (ids) => ({
    ...ids,
    author: event.author,
    body: event.body
  }))

const decodeWindow = ({ after, recent }: Window): Effect.Effect<SessionService.GetOptions, SerializationError> =>
  Effect.map(decode(EventIds, { time: after }), ({ time }) => ({ recent, after: time }))

const iterate = <A, E>(stream: Effect.Effect<Stream.Stream<A, E>, SerializationError>): AsyncIterable<A> =>
  Stream.toAsyncIterable(Stream.unwrap(stream))

/**
 * Opens the sessions of a file or of a PostgreSQL database. Rejects with `ConfigurationError` (`WrongKey`) when the key does not open it.
 *
 * @example
 * ```ts
 * import { createSessions } from "@sennit/secure-sessions/Promise"
 *
 * await using sessions = await createSessions({ filename: ":memory:", passphrase: "correct horse battery staple" })
 * const session = await sessions.create({ app: "desk", user: "ada" })
 * console.log((await sessions.append(session, { author: "ada", body: "Hello" })).revision) // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const createSessions = (options: SessionsOptions): Promise<Sessions> => {
  const runtime = ManagedRuntime.make(
    layerOf(options)
  )
  const run = <A, E>(effect: Effect.Effect<A, E, SessionService.SessionService>): Promise<A> =>
    runtime.runPromiseExit(effect).then(Exit.match({
      onSuccess: (value) => value,
      onFailure: (cause) => {
        throw Cause.squash(cause)
      }
    }))
  const facade = (service: typeof SessionService.SessionService.Service): Sessions => ({
    create: (session) => run(Effect.flatMap(decodeNew(session), service.create)),
    getOrCreate: (session) => run(Effect.flatMap(decodeNew(session), service.getOrCreate)),
    get: (ref, window = {}) =>
      run(
        Effect.flatMap(Effect.all([decode(SessionRef, ref), decodeWindow(window)]), (input) => service.get(...input))
          .pipe(Effect.map(Option.getOrUndefined))
      ),
    append: (session, event, how) =>
      run(Effect.flatMap(decodeEvent(event), (input) => service.append(session, input, how))),
    verify: (ref, how) => run(Effect.flatMap(decode(SessionRef, ref), (decoded) => service.verify(decoded, how))),
    getAppState: (app) => run(Effect.flatMap(decode(AppName, app), service.getAppState)),
    getUserState: (app, user) => run(Effect.flatMap(decodeUser(app, user), (input) => service.getUserState(...input))),
    eraseUser: (app, user) => run(Effect.flatMap(decodeUser(app, user), (input) => service.eraseUser(...input))),
    exportUser: (app, user) => iterate(Effect.map(decodeUser(app, user), (input) => service.exportUser(...input))),
    getSecret: (ref, name) =>
      run(Effect.flatMap(decode(SessionRef, ref), (decoded) => service.getSecret(decoded, name)))
        .then(Option.getOrUndefined),
    delete: (ref) => run(Effect.flatMap(decode(SessionRef, ref), service.delete)),
    list: (query) => iterate(Effect.map(decode(Owner, query), service.list)),
    events: (ref, how) => iterate(Effect.map(decode(SessionRef, ref), (decoded) => service.events(decoded, how))),
    [Symbol.asyncDispose]: () => runtime.dispose()
  })
  return run(Effect.map(SessionService.SessionService, facade)).catch((error: unknown) =>
    runtime.dispose().then(() => Promise.reject(error))
  )
}
