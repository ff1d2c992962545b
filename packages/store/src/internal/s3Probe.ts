/** Finds out by trying which conditions a server enforces. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Capability } from "../Capability.ts"
import type * as Driver from "../Driver.ts"
import type { Key } from "../StorePath.ts"
import type { Dialect } from "./s3Dialect.ts"
import { conditionOf } from "./s3Failure.ts"
import { complete, sendPart, withUpload } from "./s3Multipart.ts"
import { headObject } from "./s3Read.ts"
import { head } from "./s3Wire.ts"
import type { Wire } from "./s3Wire.ts"
import { deleteObject, putBytes } from "./s3Write.ts"

const attributes = { contentType: Option.none<string>(), metadata: {} }

const put = (wire: Wire, key: Key, text: string, mode: Driver.Mode) =>
  putBytes(wire, key, new TextEncoder().encode(text), mode, attributes)

/** Whether a change goes through; a server that does not understand it says so. */
const succeeds = <A>(change: Effect.Effect<A, Driver.Failure>): Effect.Effect<boolean, Driver.Failure> =>
  Effect.flatMap(Effect.either(change), (outcome) => {
    if (Either.isRight(outcome)) return Effect.succeed(true)
    const condition = conditionOf(outcome.left)
    const isAnswer = condition._tag !== "PermissionDenied" &&
      (condition._tag !== "Unavailable" || condition.reason === "Protocol")
    return isAnswer ? Effect.succeed(false) : Effect.fail(outcome.left)
  })

/** Whether a change that must not go through is refused, and for the condition: not for being misunderstood. */
const isRefused = <A>(change: Effect.Effect<A, Driver.Failure>): Effect.Effect<boolean, Driver.Failure> =>
  Effect.flatMap(Effect.either(change), (outcome) => {
    if (Either.isRight(outcome)) return Effect.succeed(false)
    const { _tag } = conditionOf(outcome.left)
    return _tag === "AlreadyExists" || _tag === "PreconditionFailed"
      ? Effect.succeed(true)
      : succeeds(Effect.fail(outcome.left))
  })

/** An object that was replaced once. */
const replaced = (wire: Wire, key: Key) =>
  Effect.gen(function*() {
    const stale = yield* put(wire, key, "stale", "overwrite")
    const current = yield* put(wire, key, "current", "overwrite")
    return { stale: stale.etag, current: current.etag }
  })

const keepsIfMatch = (wire: Wire, key: Key) =>
  Effect.gen(function*() {
    const { current, stale } = yield* replaced(wire, key)
    const refuses = yield* isRefused(put(wire, key, "wrong", { ifMatch: stale }))
    return refuses && (yield* succeeds(put(wire, key, "right", { ifMatch: current })))
  })

const keepsAtComplete = (wire: Wire, key: Key) =>
  Effect.gen(function*() {
    yield* put(wire, key, "there", "overwrite")
    const buffer = new TextEncoder().encode("in parts")
    return yield* isRefused(withUpload(wire, key, attributes, (upload) =>
      Effect.flatMap(
        sendPart(wire, key, upload, { number: 1, buffer, length: buffer.length }),
        (part) => complete(wire, key, upload, "create", [part])
      )))
  })

const keepsAtDelete = (wire: Wire, key: Key) =>
  Effect.gen(function*() {
    const { stale } = yield* replaced(wire, key)
    const refuses = yield* isRefused(deleteObject(wire, key, stale))
    return refuses && (yield* succeeds(headObject(wire, key)))
  })

/** @internal What the server at hand keeps, whatever is said of it. The key is used, and removed again. */
export const measureDialect = (wire: Wire, key: Key): Effect.Effect<Dialect, Driver.Failure> => {
  const writing = (conditionEtag: Dialect["conditionEtag"]): Wire => ({
    ...wire,
    dialect: { ...wire.dialect, conditionEtag }
  })
  return Effect.gen(function*() {
    yield* put(wire, key, "there", "overwrite")
    const createIfAbsent = yield* isRefused(put(wire, key, "created", "create"))
    const quoted = yield* keepsIfMatch(writing("quoted"), key)
    const replaceIfMatch = quoted || (yield* keepsIfMatch(writing("bare"), key))
    const conditionEtag = quoted || !replaceIfMatch ? "quoted" : "bare"
    const conditions = { createIfAbsent, replaceIfMatch, conditionEtag } as const
    return {
      ...wire.dialect,
      ...conditions,
      conditionalComplete: createIfAbsent && (yield* keepsAtComplete(wire, key)),
      deleteIfMatch: yield* keepsAtDelete(writing(conditionEtag), key)
    }
  }).pipe(Effect.ensuring(Effect.ignore(head(wire, { method: "DELETE", key }))))
}

/** @internal The declared capabilities that the server does not keep. */
export const probeServer = (wire: Wire, key: Key): Effect.Effect<ReadonlyArray<Capability>, Driver.Failure> =>
  Effect.map(measureDialect(wire, key), (found) => {
    const { dialect } = wire
    const keeps = (name: "createIfAbsent" | "replaceIfMatch"): boolean =>
      found[name] && (name === "createIfAbsent" || found.conditionEtag === dialect.conditionEtag) &&
      (found.conditionalComplete || !dialect.conditionalComplete)
    return [
      ...(dialect.createIfAbsent && !keeps("createIfAbsent") ? ["createIfAbsent"] as const : []),
      ...(dialect.replaceIfMatch && !keeps("replaceIfMatch") ? ["replaceIfMatch"] as const : []),
      ...(dialect.deleteIfMatch && !found.deleteIfMatch ? ["deleteIfMatch"] as const : [])
    ]
  })
