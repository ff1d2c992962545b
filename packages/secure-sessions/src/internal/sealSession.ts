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
import type { Place } from "../Aad.ts"
import type { Encryption } from "../Encryption.ts"
import type { Json, SessionEvent, SessionRef, State } from "../Session.ts"
import { EventId } from "../Session.ts"
import { SerializationError } from "../SessionError.ts"
import { hex, random } from "./deriveKey.ts"
import { decodeJson, encodeJson } from "./encodeJson.ts"
import type { EventRow, SealedState, StateRow } from "./sessionRows.ts"

type Cipher = typeof Encryption.Service

type Owner = SealedState["owner"]

interface StateEntry {
  readonly name: string
  readonly owner: Owner
  readonly plaintext: Uint8Array
}

/** @internal */
export type SealedStates = ReadonlyArray<SealedState>

/** The place of the metadata; the creation time tells a session from a later one of the same id. @internal */
export const metadataPlace = (ref: SessionRef, createTime: number): Place => ({
  session: ref.id,
  table: "sessions",
  column: "metadata",
  id: ref.id,
  sequence: createTime
})

const eventPlace = (ref: SessionRef, id: string, sequence: number): Place => ({
  session: ref.id,
  table: "session_events",
  column: "body",
  id,
  sequence
})

/** The stamp changes with every write, so an older value of the same row does not open in place of the newer. */
const statePlace = (session: string, keyIndex: Uint8Array, stamp: number): Place => ({
  session,
  table: "session_state",
  column: "value",
  id: hex(keyIndex),
  sequence: stamp
})

const ownerOf = ({ app, id, user }: SessionRef, name: string): Owner =>
  name.startsWith("app:")
    ? { app, user: "", session: "" }
    : { app, user, session: name.startsWith("user:") ? "" : id }

const isTemporary = (name: string) => name.startsWith("temp:")

/**
 * Checks a state or a delta and splits it by owner. Temporary keys are checked as well and left out.
 *
 * @internal
 */
export const readDelta = (
  ref: SessionRef,
  delta: State
): Either.Either<ReadonlyArray<StateEntry>, SerializationError> => {
  const entries: Array<StateEntry> = []
  for (const [ordinal, name] of Object.keys(delta).entries()) {
    if (name.startsWith("secret:")) {
      return Either.left(new SerializationError({ reason: "ReservedKey", path: [ordinal] }))
    }
    const plaintext = encodeJson([name, delta[name]])
    if (Either.isLeft(plaintext)) {
      const { path, reason } = plaintext.left
      return Either.left(new SerializationError({ reason, path: [ordinal, ...path.slice(1)] }))
    }
    if (!isTemporary(name)) entries.push({ name, owner: ownerOf(ref, name), plaintext: plaintext.right })
  }
  return Either.right(entries)
}

const drawStamp = () => random(6).readUIntBE(0, 6)

const sealOwned = Effect.fnUntraced(function*(cipher: Cipher, owner: Owner, entries: ReadonlyArray<StateEntry>) {
  const indexes = yield* cipher.fingerprint(owner, `session_state:${owner.session}`, entries.map(({ name }) => name))
  const rows = entries.map(({ plaintext }, index) => {
    const keyIndex = indexes[index]!
    const stamp = drawStamp()
    return { keyIndex, stamp, plaintext, place: statePlace(owner.session, keyIndex, stamp) }
  })
  const values = yield* cipher.sealAll(owner, rows)
  return rows.map(({ keyIndex, stamp }, index): SealedState => ({ owner, keyIndex, stamp, value: values[index]! }))
})

/** Seals entries by owner: the app, the user, the session. @internal */
export const sealState = (cipher: Cipher, entries: ReadonlyArray<StateEntry>) => {
  const byOwner = Arr.groupBy(
    entries,
    ({ owner }) => owner.user === "" ? "app" : owner.session === "" ? "user" : "session"
  )
  return Effect.map(
    Effect.forEach(Object.values(byOwner), (owned) => sealOwned(cipher, owned[0].owner, owned)),
    (sealed) => sealed.flat()
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

/** Opens the rows of a session's state. @internal */
export const openState = Effect.fnUntraced(function*(cipher: Cipher, ref: SessionRef, rows: ReadonlyArray<StateRow>) {
  const openOwned = (user: string) =>
    cipher.openAll(
      { app: ref.app, user },
      rows.filter((row) => row.user_id === user).map(({ key_index, session_id, stamp, value }) => ({
        place: statePlace(session_id, key_index, stamp),
        envelope: value
      }))
    )
  const opened = [...(yield* openOwned("")), ...(yield* openOwned(ref.user))]
  const entries = yield* Either.all(opened.map(decodeEntry))
  // Own properties whatever their names are, so `__proto__` is a key as any other.
  return Object.fromEntries(entries)
})

/**
 * Content of an event. The time inside is the authentic one; the column beside it only serves to select.
 *
 * @internal
 */
export const encodeEvent = (
  event: Pick<SessionEvent, "time" | "author" | "body">
): Either.Either<Uint8Array, SerializationError> => encodeJson([event.time.epochMillis, event.author, event.body])

const decodeEvent = (row: EventRow, bytes: Uint8Array): Either.Either<SessionEvent, SerializationError> =>
  Either.flatMap(decodeJson(bytes), (content) => {
    const [millis, author, body] = Array.isArray(content) ? content : []
    const time = typeof millis === "number" ? DateTime.make(millis) : Option.none()
    if (Option.isNone(time) || typeof author !== "string" || body === undefined) return Either.left(malformed())
    return Either.right({ id: EventId.make(row.event_id), sequence: row.sequence, time: time.value, author, body })
  })

/** @internal */
export const sealEvent = (
  cipher: Cipher,
  ref: SessionRef,
  { id, sequence }: Pick<SessionEvent, "id" | "sequence">,
  content: Uint8Array
) => cipher.seal(ref, eventPlace(ref, id, sequence), content)

/** Opens events. An id that opens was valid when it was sealed. @internal */
export const openEvents = Effect.fnUntraced(function*(cipher: Cipher, ref: SessionRef, rows: ReadonlyArray<EventRow>) {
  const opened = yield* cipher.openAll(
    ref,
    rows.map((row) => ({ place: eventPlace(ref, row.event_id, row.sequence), envelope: row.body }))
  )
  return yield* Either.all(opened.map((bytes, index) => decodeEvent(rows[index]!, bytes)))
})

/** @internal */
export const openMetadata = (cipher: Cipher, ref: SessionRef, createTime: number, metadata: unknown) =>
  Effect.flatMap(
    cipher.openAll(ref, [{ place: metadataPlace(ref, createTime), envelope: metadata }]),
    ([bytes]) => decodeJson(bytes!)
  )

/** The named temporary keys of a state: they live on the handle alone. @internal */
export const temporaryOf = (state: State): State =>
  Object.fromEntries(Object.entries(state).filter(([name]) => isTemporary(name)))
