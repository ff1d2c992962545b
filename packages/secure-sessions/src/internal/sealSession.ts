/**
 * Between the models and the rows: which value is sealed where, and what it looks like inside.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Redacted from "effect/Redacted"
import type { Place } from "../Aad.ts"
import type { Encryption } from "../Encryption.ts"
import { SerializationError } from "../SecureSessionsError.ts"
import type { Json, SecretName, SessionEvent, SessionRef, State, StateInput } from "../Session.ts"
import { EventId } from "../Session.ts"
import { hex, isEqual, random } from "./deriveKey.ts"
import { decodeJson, encodeJson, parseJson } from "./encodeJson.ts"
import type { ChainedHeadRow, EventRow, StateChange, StateRow, StateTable } from "./sessionRows.ts"

type Cipher = typeof Encryption.Service

type Owner = StateChange["owner"]

/** What becomes of one state key: a new value, or nothing when it is removed. */
interface StateEntry {
  readonly name: string
  readonly table: StateTable
  readonly owner: Owner
  readonly plaintext: Uint8Array | undefined
}

/** A checked delta: `entries` are stored, `visible` is what a handle shows of it. @internal */
export interface Delta {
  readonly entries: ReadonlyArray<StateEntry>
  readonly visible: State
}

/**
 * The place of the metadata; the creation time tells a session from a later one of the same id. What was sealed since
 * histories are chained says so, so that nothing of it passes for something of before.
 *
 * @internal
 */
export const metadataPlace = (ref: { readonly id: string }, createTime: number, isChained: boolean): Place => ({
  session: ref.id,
  table: "sessions",
  column: isChained ? "chained metadata" : "metadata",
  id: ref.id,
  sequence: createTime
})

/** @internal */
export const eventPlace = (
  ref: { readonly id: string },
  id: string,
  sequence: number,
  isChained: boolean
): Place => ({
  session: ref.id,
  table: "session_events",
  column: isChained ? "chained body" : "body",
  id,
  sequence
})

/**
 * The stamp changes with every write, so an older value of the same row does not open in place of the newer.
 *
 * @internal
 */
export const statePlace = (table: StateTable, session: string, keyIndex: Uint8Array, stamp: number): Place => ({
  session,
  table,
  column: "value",
  id: hex(keyIndex),
  sequence: stamp
})

const ownerOf = ({ app, id, user }: SessionRef, name: string): Owner =>
  name.startsWith("app:")
    ? { app, user: "", session: "" }
    : { app, user, session: name.startsWith("user:") ? "" : id }

const isTemporary = (name: string) => name.startsWith("temp:")

const isSecret = (name: string) => name.startsWith("secret:")

const encodeEntry = (name: string, value: unknown): Either.Either<Uint8Array, SerializationError> => {
  if (!isSecret(name)) return encodeJson([name, value])
  return Redacted.isRedacted(value)
    ? encodeJson([name, Redacted.value(value)])
    : Either.left(new SerializationError({ reason: "NotRedacted", path: [] }))
}

/**
 * Checks a state or a delta and splits it by owner. Temporary keys are checked as well and left out.
 *
 * @internal
 */
export const readDelta = (
  ref: SessionRef,
  delta: StateInput,
  removed: ReadonlyArray<string> = []
): Either.Either<Delta, SerializationError> => {
  const entries: Array<StateEntry> = []
  const visible: Array<readonly [string, Json]> = []
  const add = (name: string, plaintext: Uint8Array | undefined) => {
    const table = isSecret(name) ? "session_secrets" : "session_state"
    if (!isTemporary(name)) entries.push({ name, table, owner: ownerOf(ref, name), plaintext })
  }
  const gone = new Set(removed)
  for (const [ordinal, [name, value]] of Object.entries(delta).entries()) {
    if (gone.has(name)) return Either.left(new SerializationError({ reason: "ConflictingKey", path: [ordinal] }))
    const plaintext = encodeEntry(name, value)
    if (Either.isLeft(plaintext)) {
      const { path, reason } = plaintext.left
      return Either.left(new SerializationError({ reason, path: [ordinal, ...path.slice(1)] }))
    }
    add(name, plaintext.right)
    if (!Redacted.isRedacted(value)) visible.push([name, value])
  }
  gone.forEach((name) => add(name, undefined))
  return Either.right({ entries, visible: Object.fromEntries(visible) })
}

const drawStamp = () => random(6).readUIntBE(0, 6)

const sealOwned = Effect.fnUntraced(function*(cipher: Cipher, entries: Arr.NonEmptyReadonlyArray<StateEntry>) {
  const [{ owner, table }] = entries
  const indexes = yield* cipher.fingerprint(owner, `${table}:${owner.session}`, entries.map(({ name }) => name))
  const rows = entries.map(({ plaintext }, at) => ({ plaintext, keyIndex: indexes[at]!, stamp: drawStamp() }))
  const values = yield* cipher.sealAll(
    owner,
    rows.flatMap(({ keyIndex, plaintext, stamp }) =>
      plaintext === undefined ? [] : [{ plaintext, place: statePlace(table, owner.session, keyIndex, stamp) }]
    )
  )
  const next = values.values()
  return rows.map(({ keyIndex, plaintext, stamp }): StateChange => ({
    table,
    owner,
    keyIndex,
    sealed: plaintext === undefined ? undefined : { stamp, value: next.next().value! }
  }))
})

const orderOf = ({ keyIndex, owner, table }: StateChange) => `${table}:${owner.user}:${owner.session}:${hex(keyIndex)}`

/**
 * Seals entries by table and owner: the app, the user, the session. The answer is in one order for all callers, so that
 * two transactions that write the same rows wait for each other in turn.
 *
 * @internal
 */
export const sealState = (cipher: Cipher, entries: ReadonlyArray<StateEntry>) => {
  const byOwner = Arr.groupBy(
    entries,
    ({ owner, table }) => `${table} ${owner.user === "" ? "app" : owner.session === "" ? "user" : "session"}`
  )
  return Effect.map(
    Effect.forEach(Object.values(byOwner), (owned) => sealOwned(cipher, owned)),
    (sealed) => Arr.sortWith(sealed.flat(), orderOf, Order.string)
  )
}

const malformed = () => new SerializationError({ reason: "Malformed", path: [] })

const decodeEntry = (bytes: Uint8Array): Either.Either<readonly [string, Json], SerializationError> =>
  Either.flatMap(
    decodeJson(bytes),
    (entry) =>
      Array.isArray(entry) && typeof entry[0] === "string" && entry[1] !== undefined
        ? Either.right([entry[0], entry[1]] as const)
        : Either.left(malformed())
  )

/** Opens the state that a session sees, or that a user's sessions share. @internal */
export const openState = Effect.fnUntraced(function*(
  cipher: Cipher,
  ref: { readonly app: string; readonly user: string },
  rows: ReadonlyArray<StateRow>
) {
  const openOwned = (user: string) =>
    cipher.openAll(
      { app: ref.app, user },
      rows.filter((row) => row.user_id === user).map(({ key_index, session_id, stamp, value }) => ({
        place: statePlace("session_state", session_id, key_index, stamp),
        envelope: value
      }))
    )
  const opened = [...(yield* openOwned("")), ...(ref.user === "" ? [] : yield* openOwned(ref.user))]
  const entries = yield* Either.all(opened.map(decodeEntry))
  // Own properties whatever their names are, so `__proto__` is a key as any other.
  return Object.fromEntries(entries)
})

/** Opens all secrets of a session, by name. @internal */
export const openSecrets = Effect.fnUntraced(function*(cipher: Cipher, ref: SessionRef, rows: ReadonlyArray<StateRow>) {
  const opened = yield* cipher.openAll(
    ref,
    rows.map(({ key_index, stamp, value }) => ({
      place: statePlace("session_secrets", ref.id, key_index, stamp),
      envelope: value
    }))
  )
  const entries = yield* Either.all(opened.map(decodeEntry))
  return Object.fromEntries(entries.map(([name, value]) => [name, Redacted.make(value)] as const))
})

/** Finds a secret among the rows of a session and opens it alone. @internal */
export const openSecret = Effect.fnUntraced(function*(
  cipher: Cipher,
  ref: SessionRef,
  name: SecretName,
  rows: ReadonlyArray<StateRow>
) {
  // Without rows there may be no data key either, and reading makes none.
  if (rows.length === 0) return Option.none<Redacted.Redacted<Json>>()
  const [index] = yield* cipher.fingerprint(ref, `session_secrets:${ref.id}`, [name])
  const row = rows.find(({ key_index }) => isEqual(key_index, index!))
  if (row === undefined) return Option.none<Redacted.Redacted<Json>>()
  const place = statePlace("session_secrets", ref.id, row.key_index, row.stamp)
  const [bytes] = yield* cipher.openAll(ref, [{ place, envelope: row.value }])
  const [, value] = yield* decodeEntry(bytes!)
  return Option.some(Redacted.make(value))
})

/**
 * Content of an event. The time inside is the authentic one; the column beside it only serves to select.
 *
 * @internal
 */
export const encodeEvent = (
  event: Pick<SessionEvent, "time" | "author" | "body">
): Either.Either<Uint8Array, SerializationError> => encodeJson([event.time.epochMillis, event.author, event.body])

/** In a plain loop: a history has many. */
const decodeEvents = (
  rows: ReadonlyArray<EventRow>,
  contents: ReadonlyArray<Uint8Array>
): Either.Either<ReadonlyArray<SessionEvent>, SerializationError> => {
  const events: Array<SessionEvent> = []
  for (const [at, bytes] of contents.entries()) {
    const { event_id, sequence } = rows[at]!
    const content = parseJson(bytes)
    const [millis, author, body] = Array.isArray(content) ? content : []
    const time = typeof millis === "number" ? DateTime.make(millis) : Option.none()
    if (Option.isNone(time) || typeof author !== "string" || body === undefined) return Either.left(malformed())
    // it was checked when it was written, and it opened
    const id = EventId.make(event_id, { disableValidation: true })
    events.push({ id, sequence, time: time.value, author, body })
  }
  return Either.right(events)
}

/** @internal */
export const sealEvent = (
  cipher: Cipher,
  ref: SessionRef,
  { id, sequence }: Pick<SessionEvent, "id" | "sequence">,
  content: Uint8Array
) => cipher.seal(ref, eventPlace(ref, id, sequence, true), content)

/** The contents of events, still encoded. @internal */
export const openBodies = (cipher: Cipher, ref: SessionRef, rows: ReadonlyArray<EventRow>) =>
  cipher.openAll(
    ref,
    rows.map((row) => ({
      place: eventPlace(ref, row.event_id, row.sequence, row.chained !== 0),
      envelope: row.body
    }))
  )

/** Opens events. An id that opens was valid when it was sealed. @internal */
export const openEvents = Effect.fnUntraced(function*(cipher: Cipher, ref: SessionRef, rows: ReadonlyArray<EventRow>) {
  return yield* decodeEvents(rows, yield* openBodies(cipher, ref, rows))
})

/** @internal */
export const openMetadata = (
  cipher: Cipher,
  ref: SessionRef,
  { chained, create_time, metadata }: ChainedHeadRow & { readonly metadata: unknown }
) =>
  Effect.flatMap(
    cipher.openAll(ref, [{ place: metadataPlace(ref, create_time, chained === 1), envelope: metadata }]),
    ([bytes]) => decodeJson(bytes!)
  )

/** The named temporary keys of a state: they live on the handle alone. @internal */
export const temporaryOf = (state: State): State =>
  Object.fromEntries(Object.entries(state).filter(([name]) => isTemporary(name)))
