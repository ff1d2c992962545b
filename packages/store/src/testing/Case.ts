/**
 * What a case of the conformance suite is made of.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Capability } from "../Capability.ts"
import { needsOf } from "../Operations.ts"
import type { Needs, Operation } from "../Operations.ts"
import type { StoreOf } from "../Store.ts"
import type { StoreError } from "../StoreError.ts"

/**
 * The store does not keep the contract.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConformanceFailure extends Data.TaggedError("ConformanceFailure")<{
  readonly expectation: string
  readonly expected: string
  readonly actual: string
}> {
  override get message(): string {
    return `${this.expectation}: expected ${this.expected}, got ${this.actual}`
  }
}

/**
 * One promise of the contract. It runs in a folder of its own, on a store that declares what it needs and nothing
 * of what it must lack.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conformance {
  readonly name: string
  readonly needs: ReadonlyArray<Capability>
  readonly lacks: ReadonlyArray<Capability>
  readonly run: (store: StoreOf<never>) => Effect.Effect<void, StoreError | ConformanceFailure>
}

/** @internal */
export const define = <K extends Operation, C extends Capability = never>(options: {
  readonly name: string
  readonly uses: ReadonlyArray<K>
  readonly also?: ReadonlyArray<C>
  readonly lacks?: ReadonlyArray<Capability>
  readonly run: (store: StoreOf<Needs<K> | C>) => Effect.Effect<void, StoreError | ConformanceFailure>
}): Conformance => {
  const needs: ReadonlyArray<Needs<K> | C> = [...new Set([...needsOf(options.uses), ...(options.also ?? [])])]
  return {
    name: options.name,
    needs,
    lacks: options.lacks ?? [],
    run: (store) =>
      Effect.gen(function*() {
        const own = yield* store.child(options.name.replaceAll(/[^a-z]+/gi, "-"))
        yield* options.run(yield* own.require<Needs<K> | C>(...needs))
      })
  }
}

const show = (value: unknown): string =>
  value instanceof Uint8Array ? `${value.length} bytes` : JSON.stringify(value) ?? String(value)

/** @internal */
export const expectSame = (expectation: string, actual: unknown, expected: unknown) =>
  show(actual) === show(expected) && sameBytes(actual, expected)
    ? Effect.void
    : new ConformanceFailure({ expectation, expected: show(expected), actual: show(actual) })

const sameBytes = (a: unknown, b: unknown): boolean =>
  !(a instanceof Uint8Array && b instanceof Uint8Array) || a.every((byte, index) => byte === b[index])

/** @internal The error's tag, and its reason where it has one: `InvalidPath:IsFolder`. */
export const expectFailure = <A, E, R>(expectation: string, effect: Effect.Effect<A, E, R>, expected: string) =>
  Effect.matchEffect(effect, {
    onSuccess: (value) => new ConformanceFailure({ expectation, expected, actual: `success with ${show(value)}` }),
    onFailure: (error) => expectSame(expectation, nameOf(error), expected)
  })

const nameOf = (error: unknown): string =>
  typeof error !== "object" || error === null || !("_tag" in error)
    ? String(error)
    : "reason" in error && error._tag === "InvalidPath"
    ? `${String(error._tag)}:${String(error.reason)}`
    : String(error._tag)

/** @internal */
export const toArray = <A, E, R>(stream: Stream.Stream<A, E, R>): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

/** @internal */
export const joinBytes = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let length = 0
  for (const part of parts) {
    all.set(part, length)
    length += part.length
  }
  return all
}

/** @internal Bytes in which every position differs from its neighbours, so that a shift or a mixture shows. */
export const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >>> 8) * 17 + seed * 101) & 0xff)

/** @internal */
export const overwrite = { mode: "overwrite" } as const
