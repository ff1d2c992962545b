/**
 * The store for people without Effect: promises, async iterables and `await using`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { WriteResult } from "./Entry.ts"
import { derivePromises } from "./internal/derivePromises.ts"
import type { Promises } from "./internal/derivePromises.ts"
import { rejectWithFailure } from "./internal/runPromise.ts"
import * as Local from "./Local.ts"
import * as Memory from "./Memory.ts"
import { operations } from "./Operations.ts"
import type { Operations, PlainOperation, WriteOptions } from "./Operations.ts"

/**
 * A store in a folder, or one in memory.
 *
 * @since 0.1.0
 * @category options
 */
export type StoreOptions = Local.Options | { readonly memory: true }

type Promised<F> = F extends (...args: infer A) => Effect.Effect<infer B, infer _E, infer _R>
  ? (...args: A) => globalThis.Promise<B>
  : F extends (...args: infer A) => Stream.Stream<infer B, infer _E, infer _R> ? (...args: A) => AsyncIterable<B>
  : never

/**
 * A store's operations as promises. They reject with the store's own errors; a body's error passes through.
 *
 * @since 0.1.0
 * @category models
 */
export type PromiseStore =
  & { readonly [K in Exclude<PlainOperation, "write">]: Promised<Operations[K]> }
  & {
    readonly write: (
      path: string,
      body: string | Uint8Array | AsyncIterable<Uint8Array>,
      options?: WriteOptions
    ) => globalThis.Promise<WriteResult>
  }
  & AsyncDisposable

/**
 * Opens a store.
 *
 * @example
 * ```ts
 * import { createStore } from "@sennit/store/Promise"
 *
 * const main = async () => {
 *   await using store = await createStore({ memory: true })
 *   await store.write("a.txt", "hello")
 *   for await (const entry of store.list("")) entry.key
 * }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const createStore = (options: StoreOptions): globalThis.Promise<PromiseStore> =>
  rejectWithFailure(
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const store = "memory" in options ? yield* Memory.make() : yield* Scope.extend(Local.make(options), scope)
      return typed(derivePromises(operations, { ...store }), () => rejectWithFailure(Scope.close(scope, Exit.void)))
    })
  )

/** `derivePromises` has turned every operation of the table into what `Promised` says. */
function typed(methods: Promises, close: () => globalThis.Promise<void>): PromiseStore
function typed(methods: Promises, close: () => globalThis.Promise<void>): object {
  return Object.assign({}, methods, { [Symbol.asyncDispose]: close })
}
