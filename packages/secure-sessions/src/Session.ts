/**
 * The models of the package: ids, the reference of a session, its events and its state.
 *
 * What a reader of the database file sees in clear: ids, sequence numbers, revisions, times and counts. Everything
 * else (state with its key names, event author and body, metadata) is ciphertext.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** Ids are stored in clear and bound into every ciphertext; an unpaired surrogate has no exact form in a database. */
const isId = (text: string): boolean => text.length >= 1 && text.length <= 256 && !/\p{Surrogate}/u.test(text)

const Id = Schema.String.pipe(
  Schema.filter(isId, { description: "1 to 256 UTF-16 units of well-formed text" })
)

/**
 * Name of the application that owns sessions: 1 to 256 UTF-16 units of well-formed text, stored in clear.
 *
 * @category ids
 * @since 0.1.0
 */
export const AppName: Schema.brand<Schema.filter<typeof Schema.String>, "AppName"> = Id.pipe(Schema.brand("AppName"))

/**
 * @category ids
 * @since 0.1.0
 */
export type AppName = typeof AppName.Type

/**
 * Id of the person or tenant whose data key seals the session: 1 to 256 UTF-16 units, stored in clear.
 *
 * @category ids
 * @since 0.1.0
 */
export const UserId: Schema.brand<Schema.filter<typeof Schema.String>, "UserId"> = Id.pipe(Schema.brand("UserId"))

/**
 * @category ids
 * @since 0.1.0
 */
export type UserId = typeof UserId.Type

/**
 * Id of a session, unique within its app and user: 1 to 256 UTF-16 units, stored in clear.
 *
 * @category ids
 * @since 0.1.0
 */
export const SessionId: Schema.brand<Schema.filter<typeof Schema.String>, "SessionId"> = Id.pipe(
  Schema.brand("SessionId")
)

/**
 * @category ids
 * @since 0.1.0
 */
export type SessionId = typeof SessionId.Type

/**
 * Id of an event, unique within its session: 1 to 256 UTF-16 units, stored in clear.
 *
 * @category ids
 * @since 0.1.0
 */
export const EventId: Schema.brand<Schema.filter<typeof Schema.String>, "EventId"> = Id.pipe(Schema.brand("EventId"))

/**
 * @category ids
 * @since 0.1.0
 */
export type EventId = typeof EventId.Type

/**
 * Where a session lives.
 *
 * @example
 * ```ts
 * import { Session } from "@sennit/secure-sessions"
 *
 * const ref = Session.SessionRef.make({
 *   app: Session.AppName.make("desk"),
 *   user: Session.UserId.make("ada"),
 *   id: Session.SessionId.make("first")
 * })
 * console.log(ref.id) // => first
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export const SessionRef: Schema.Struct<{
  app: typeof AppName
  user: typeof UserId
  id: typeof SessionId
}> = Schema.Struct({ app: AppName, user: UserId, id: SessionId })

/**
 * @category models
 * @since 0.1.0
 */
export type SessionRef = typeof SessionRef.Type

/**
 * What JSON carries exactly. Values of this type that JSON would change silently (`NaN`, `Infinity`, `-0`, unpaired
 * surrogates, instances of classes) are refused with a `SerializationError` when they are written.
 *
 * @category models
 * @since 0.1.0
 */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/**
 * State of a session. The prefix of a key says who shares it: `app:` every session of the app, `user:` every session
 * of the user in the app, none only this session; `temp:` lives on the handle and is never stored. What is under
 * `secret:` is stored and never part of a state that is read.
 *
 * @category models
 * @since 0.1.0
 */
export type State = { readonly [key: string]: Json }

/**
 * Name of a secret of a session.
 *
 * @category models
 * @since 0.1.0
 */
export type SecretName = `secret:${string}`

/**
 * State to be written. A value under `secret:` has to be `Redacted`, and no other may be: it belongs to the session, is
 * stored encrypted apart from its state, and comes back from `getSecret` alone.
 *
 * @example
 * ```ts
 * import type { Session } from "@sennit/secure-sessions"
 * import { Redacted } from "effect"
 *
 * const state: Session.StateInput = { topic: "tides", "secret:token": Redacted.make("t0ken") }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type StateInput = { readonly [key: string]: Json | Redacted.Redacted<Json> }

/**
 * One entry of the history. `sequence` starts at 1 and has no gaps; it alone decides the order, never the time.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionEvent {
  readonly id: EventId
  readonly sequence: number
  readonly time: DateTime.Utc
  readonly author: string
  readonly body: Json
}

/**
 * What the caller gives to append. Without `id` a random UUID is made, without `time` the clock is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventInput {
  readonly id?: EventId | undefined
  readonly time?: DateTime.Utc | undefined
  readonly author: string
  readonly body: Json
}

/**
 * What can be known of a session without decrypting anything.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionSummary {
  readonly ref: SessionRef
  /** Grows by one with every append; an append with an older revision is stale. */
  readonly revision: number
  readonly eventCount: number
  readonly createTime: DateTime.Utc
  /** Time of the last event, or of the creation. */
  readonly updateTime: DateTime.Utc
}

/**
 * A handle on a session as it was when it was read or written: an immutable value, not a connection. `events` holds
 * the part of the history that was asked for and what this handle appended since.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session extends SessionSummary {
  readonly metadata: Json
  readonly state: State
  readonly events: ReadonlyArray<SessionEvent>
}
