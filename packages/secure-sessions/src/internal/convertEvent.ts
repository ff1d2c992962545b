/**
 * Between the events and state of ADK, which are anything, and ours, which are what JSON carries exactly.
 *
 * @internal
 */
import type { Event } from "@google/adk"
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SerializationError } from "../SecureSessionsError.ts"
import type { EventInput, Json, SessionEvent, State, StateInput } from "../Session.ts"
import { EventId } from "../Session.ts"
import { decodeJson, encodeJson, isPlainObject, maxDepth } from "./encodeJson.ts"

const isTemporary = (name: string) => name.startsWith("temp:")

const isSecret = (name: string) => name.startsWith("secret:")

/** ADK leaves members undefined that are not there, and brands events with a symbol. JSON knows neither. */
const dropAbsent = (value: unknown, depth = 0): unknown => {
  // What is deeper is refused when it is encoded.
  if (depth > maxDepth) return value
  if (Array.isArray(value)) return value.map((member: unknown) => dropAbsent(member, depth + 1))
  if (!Predicate.isRecord(value) || !isPlainObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) =>
      member === undefined ? [] : [[name, dropAbsent(member, depth + 1)] as const]
    )
  )
}

const toJson = (value: unknown): Either.Either<Json, SerializationError> =>
  Either.flatMap(encodeJson(dropAbsent(value)), decodeJson)

/** A delta as it is stored: what ADK sets to `undefined` is removed. @internal */
export interface StoredDelta {
  readonly stateDelta: StateInput
  readonly removed: ReadonlyArray<string>
}

/** Temporary keys are left out, and what is under `secret:` is stored as a secret. @internal */
export const toDelta = (delta: Readonly<Record<string, unknown>>): Either.Either<StoredDelta, SerializationError> =>
  Either.gen(function*() {
    const entries: Array<readonly [string, StateInput[string]]> = []
    const removed: Array<string> = []
    for (const [name, value] of Object.entries(delta)) {
      if (isTemporary(name)) continue
      if (value === undefined) removed.push(name)
      else if (isSecret(name)) {
        entries.push([name, Redacted.make(yield* toJson(Redacted.isRedacted(value) ? Redacted.value(value) : value))])
      } else entries.push([name, yield* toJson(value)])
    }
    return { stateDelta: Object.fromEntries(entries), removed }
  })

/** A state without what lives on the session object alone. @internal */
export const withoutTemporary = (state: State): Record<string, unknown> =>
  Object.fromEntries(Object.entries(state).filter(([name]) => !isTemporary(name)))

/** Takes temporary and secret keys out of an event, so that neither it nor who receives it carries them on. @internal */
export const trimDelta = ({ actions }: Event): void => {
  for (const name of Object.keys(actions?.stateDelta ?? {})) {
    if (isTemporary(name) || isSecret(name)) delete actions.stateDelta[name]
  }
}

const invalid = () => new SerializationError({ reason: "InvalidInput", path: [] })

const decodeId = Schema.decodeEither(EventId)

/** An event as it is stored: whole, without temporary and secret keys of its delta. @internal */
export const toStored = (event: Event): Either.Either<EventInput & StoredDelta, SerializationError> =>
  Either.gen(function*() {
    const { stateDelta: delta = {}, ...actions } = event.actions ?? {}
    const kept = Object.entries(delta).filter(([name]) => !isTemporary(name) && !isSecret(name))
    const body = yield* toJson({ ...event, actions: { ...actions, stateDelta: Object.fromEntries(kept) } })
    const id = yield* Either.mapLeft(decodeId(event.id), invalid)
    const time = yield* Either.fromOption(DateTime.make(event.timestamp), invalid)
    return { id, time, author: event.author ?? "", body, ...(yield* toDelta(delta)) }
  })

const isEvent = (value: unknown): value is Event =>
  Predicate.isRecord(value) && typeof value["id"] === "string" && typeof value["timestamp"] === "number" &&
  Predicate.isRecord(value["actions"])

const fromBody = ({ body }: SessionEvent): Either.Either<Event, SerializationError> =>
  Either.fromOption(
    Option.liftPredicate(isEvent)(body),
    () => new SerializationError({ reason: "Malformed", path: [] })
  )

/** Events of a session that ADK wrote. @internal */
export const fromStored = (
  events: ReadonlyArray<SessionEvent>
): Either.Either<Array<Event>, SerializationError> => Either.all(events.map(fromBody))
