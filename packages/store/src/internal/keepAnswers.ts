// @effect-diagnostics anyUnknownInErrorContext:off answers are kept whatever their types
/** The cache: answers of operations that depend on one object, kept until that object changes. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Driver from "../Driver.ts"
import type { Call } from "../Interceptor.ts"
import * as StorePath from "../StorePath.ts"

/** @internal */
export interface CacheOptions {
  readonly timeToLive: number
  readonly capacity: number
  readonly maxBytes: number
  readonly revalidate: boolean
}

type AnyExit = Exit.Exit<unknown, unknown>

/** One answer, or one that is on its way. */
interface Slot {
  readonly answer: Deferred.Deferred<AnyExit>
  readonly etag: string | undefined
  expires: number
}

/** The answers about one object, by operation and options. */
type Slots = Map<string, Slot>

/** @internal */
export interface Answers {
  readonly recall: <A, X, R>(call: Call, load: Effect.Effect<A, X, R>) => Effect.Effect<A, X, R>
  /** Drops what the call may change, before it and after it: what was read meanwhile may be old. */
  readonly change: <A, X, R>(call: Call, effect: Effect.Effect<A, X, R>) => Effect.Effect<A, X, R>
  readonly forget: (key: string) => void
}

/** @internal */
export const keepAnswers = (options: CacheOptions, stat: Driver.Driver["stat"]): Answers => {
  const objects = new Map<string, Slots>()
  const drop = (call: Call) => Effect.sync(() => forgetChanged(objects, call))
  /** The least recently used is first in the map. */
  const slotsOf = (key: string): Slots => {
    const slots: Slots = objects.get(key) ?? new Map()
    objects.delete(key)
    objects.set(key, slots)
    for (const oldest of objects.keys()) {
      if (objects.size <= options.capacity) break
      objects.delete(oldest)
    }
    return slots
  }
  const etagOf = (key: StorePath.Key) =>
    options.revalidate
      ? Effect.match(stat(key), {
        onFailure: () => undefined,
        onSuccess: (node) => node._tag === "Object" ? node.version.etag : undefined
      })
      : Effect.succeed(undefined)
  const load = <A, X, R>(key: StorePath.Key, name: string, effect: Effect.Effect<A, X, R>) =>
    Effect.gen(function*() {
      const slots = slotsOf(key)
      const answer = yield* Deferred.make<AnyExit>()
      // Asked before the load: a change in between makes the answer look old, never the reverse.
      const etag = yield* etagOf(key)
      const slot: Slot = { answer, etag, expires: Number.POSITIVE_INFINITY }
      slots.set(name, slot)
      const value = yield* Effect.onExit(effect, (exit) =>
        Effect.gen(function*() {
          if (Exit.isFailure(exit) || sizeOf(exit.value) > options.maxBytes) {
            if (slots.get(name) === slot) slots.delete(name)
          }
          slot.expires = (yield* Clock.currentTimeMillis) + options.timeToLive
          yield* Deferred.succeed(answer, exit)
        }))
      return own(value)
    })
  const recall = <A, X, R>(call: Call, effect: Effect.Effect<A, X, R>): Effect.Effect<A, X, R> => {
    const key = keyOf(call, call.path)
    const name = nameOf(call)
    if (key === undefined || name === undefined) return effect
    return Effect.gen(function*() {
      const slot = objects.get(key)?.get(name)
      if (slot === undefined) return yield* load(key, name, effect)
      const now = yield* Clock.currentTimeMillis
      if (now >= slot.expires) {
        if (slot.etag === undefined || (yield* etagOf(key)) !== slot.etag) return yield* load(key, name, effect)
        slot.expires = now + options.timeToLive
      }
      const exit = yield* Deferred.await(slot.answer)
      // Who was to fetch it gave up; that is not ours.
      if (Exit.isInterrupted(exit)) return yield* recall(call, effect)
      slotsOf(key)
      return own(yield* answered(exit, effect))
    })
  }
  return {
    recall,
    change: (call, effect) => Effect.zipRight(drop(call), Effect.ensuring(effect, drop(call))),
    forget: (key) => objects.delete(key)
  }
}

const keyOf = ({ base }: Call, path: unknown): StorePath.Key | undefined => {
  const own = typeof path === "string" ? StorePath.parse(path) : undefined
  if (own === undefined || Either.isLeft(own)) return undefined
  return Either.getOrUndefined(StorePath.join(base, own.right))
}

/** Answers to other options are other answers. */
const nameOf = ({ arguments: args, operation, spec }: Call): string | undefined =>
  spec.arguments.every((role) => role === "key" || role === "options")
    ? `${operation} ${JSON.stringify(args[spec.arguments.indexOf("options")] ?? {})}`
    : undefined

const forgetChanged = (objects: Map<string, Slots>, call: Call): void => {
  switch (call.spec.changes) {
    case "nothing":
      return
    case "anything":
      return objects.clear()
    case "keys":
      return call.spec.arguments.forEach((role, index) => {
        if (role === "key") objects.delete(keyOf(call, call.arguments[index]) ?? "")
      })
    case "below": {
      const folder = keyOf(call, call.path)
      for (const key of objects.keys()) {
        if (folder === undefined || key.startsWith(`${folder}/`)) objects.delete(key)
      }
    }
  }
}

const sizeOf = (value: unknown): number =>
  value instanceof Uint8Array ? value.length : typeof value === "string" ? value.length * 2 : 0

/** Who gets an array may write into it. */
const own = <A>(value: A): A => {
  const copy: unknown = value instanceof Uint8Array ? value.slice() : value
  return alike(copy, value)
}

/** The one place where a kept answer gets its type back: it is what the same operation has answered before. */
function answered<A, X, R>(exit: AnyExit, effect: Effect.Effect<A, X, R>): Exit.Exit<A, X>
function answered(exit: AnyExit): AnyExit {
  return exit
}

function alike<A>(copy: unknown, value: A): A
function alike(copy: unknown): unknown {
  return copy
}
