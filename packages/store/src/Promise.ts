/**
 * The store for people without Effect: promises, async iterables and `await using`.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { Capability } from "./Capability.ts"
import { derivePromises } from "./internal/derivePromises.ts"
import type { Promises } from "./internal/derivePromises.ts"
import type { CapabilityOf, Element, Given, Success } from "./internal/modelFacades.ts"
import { openSettings } from "./internal/openSettings.ts"
import { rejectWithFailure } from "./internal/runPromise.ts"
import { operations } from "./Operations.ts"
import type { Needs, Operations, PromiseOperation, ReadOptions } from "./Operations.ts"
import type { Meta, StoreOf } from "./Store.ts"
import type { Settings } from "./StoreConfig.ts"

type Member<X> = X extends (...args: infer Args) => infer Answer
  ? (...args: Given<Args, "async">) => globalThis.Promise<Success<Answer>>
  : X extends Effect.Effect<infer A, infer _E, infer _R> ? () => globalThis.Promise<A>
  : X

/**
 * Something that was opened: what it has as promises, and `await using`. A writer that was not committed writes nothing.
 *
 * @since 0.1.0
 * @category models
 */
export type Opened<A> = { readonly [M in keyof A]: Member<A[M]> } & AsyncDisposable

type Promised<K extends PromiseOperation, F> = F extends (...args: infer Args) => infer Answer
  ? (...args: Given<Args, "async">) => (typeof operations)[K]["kind"] extends "stream" ? AsyncIterable<Element<Answer>>
    : globalThis.Promise<
      (typeof operations)[K]["kind"] extends "scoped" ? Opened<Success<Answer>> : Success<Answer>
    >
  : never

/** What a schema says of its type is lost where a type is computed from the operation. */
interface ReadJson<C extends Capability> {
  readonly readJson: <A, I>(
    path: string,
    schema: Schema.Schema<A, I>,
    options?: ReadOptions<C>
  ) => globalThis.Promise<A>
}

/**
 * A store's operations as promises; as everywhere, only those that its backend can keep. They reject with the store's
 * own errors; a body's error passes through.
 *
 * @since 0.1.0
 * @category models
 */
export type PromiseStore<C extends Capability> =
  & {
    readonly [K in Exclude<PromiseOperation, "readJson"> as Needs<K> extends C ? K : never]: Promised<
      K,
      Operations<C>[K]
    >
  }
  & (Needs<"readJson"> extends C ? ReadJson<C> : object)
  & Pick<Meta<C>, "name" | "capabilities" | "quality" | "supports">
  & {
    /** The same store with more in its type, if it has it at run time; throws `CapabilityNotSupported`. */
    readonly require: <K extends Capability>(...capabilities: ReadonlyArray<K>) => PromiseStore<C | K>
    /** A store that offers these capabilities and no other. */
    readonly only: <K extends C>(...capabilities: ReadonlyArray<K>) => PromiseStore<K>
    /** A store whose root is the folder `prefix` of this one. Throws `InvalidPath`. */
    readonly child: (prefix: string) => PromiseStore<C>
  }
  & AsyncDisposable

/**
 * Opens a store. S3 and HTTP go through `fetch`; for another client, and for layers, see `fromStore`.
 *
 * @example
 * ```ts
 * import { createStore } from "@sennit/store/Promise"
 *
 * const main = async () => {
 *   await using store = await createStore({ driver: "memory" })
 *   await store.write("a.txt", "hello")
 *   for await (const entry of store.list("")) entry.key
 * }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const createStore = <const S extends Settings>(
  settings: S
): globalThis.Promise<PromiseStore<CapabilityOf<S["driver"]>>> =>
  rejectWithFailure(
    Effect.flatMap(Scope.make(), (scope) =>
      openSettings(settings).pipe(
        Scope.extend(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.map((store) =>
          promisify<CapabilityOf<S["driver"]>, never>(
            store,
            () => rejectWithFailure(Scope.close(scope, Exit.void))
          )
        )
      )).pipe(Effect.provide(FetchHttpClient.layer))
  )

/**
 * The same for a store that was opened with Effect, which stays open when this one is disposed of.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromStore = <C extends Capability>(store: StoreOf<C>): PromiseStore<C> =>
  promisify<C, C>(store, () => globalThis.Promise.resolve())

/** `C` is what its type is to say of a store with the type of `D`. What is made from it ends with it, not by itself. */
const promisify = <C extends Capability, D extends Capability>(
  store: Meta<D>,
  dispose: () => globalThis.Promise<void>
): PromiseStore<C> => {
  const { capabilities, name, quality, supports } = store
  const require = <K extends Capability>(...wanted: ReadonlyArray<K>) =>
    Either.getOrThrowWith(Effect.runSync(Effect.either(store.require(...wanted))), (error) => error)
  return typed<C>(derivePromises(operations, { ...store }), {
    name,
    capabilities,
    quality,
    supports,
    require: (...wanted: ReadonlyArray<Capability>) => fromStore(require(...wanted)),
    only: (...kept: ReadonlyArray<Capability>) => fromStore(require(...kept).only(...kept)),
    child: (prefix: string) => fromStore(Either.getOrThrowWith(store.child(prefix), (error) => error)),
    [Symbol.asyncDispose]: dispose
  })
}

/** `derivePromises` has made of every operation of the table what `Promised` says. */
function typed<C extends Capability>(methods: Promises, meta: object): PromiseStore<C>
function typed(methods: Promises, meta: object): object {
  return Object.assign({}, methods, meta)
}
