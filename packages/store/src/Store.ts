/**
 * One contract over every backend. A store has only the operations that its backend can keep: what it does not
 * offer is missing from its type and from the object.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Capability, Quality } from "./Capability.ts"
import type { Driver } from "./Driver.ts"
import type { Interceptor } from "./Interceptor.ts"
import { deriveMethods } from "./internal/deriveMethods.ts"
import type { Methods } from "./internal/deriveMethods.ts"
import { makeOperations } from "./internal/kernel.ts"
import { operations } from "./Operations.ts"
import type { Needs, Operation, Operations } from "./Operations.ts"
import { CapabilityNotSupported } from "./StoreError.ts"
import type { InvalidPath } from "./StoreError.ts"
import * as StorePath from "./StorePath.ts"

/**
 * What every store has, whatever it can do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Meta<C extends Capability> {
  /** The backend's name, such as `local`. */
  readonly name: string
  /** What this store offers at run time; it may be more than its type says. */
  readonly capabilities: ReadonlySet<Capability>
  readonly quality: Quality
  readonly supports: (capability: Capability) => boolean
  /** The same store with more in its type, if it has it at run time. */
  readonly require: <K extends Capability>(
    ...capabilities: ReadonlyArray<K>
  ) => Effect.Effect<StoreOf<C | K>, CapabilityNotSupported>
  /** A store that offers these capabilities and no other, in its type and at run time. There is no way back. */
  readonly only: <K extends C>(...capabilities: ReadonlyArray<K>) => StoreOf<K>
  /** A store whose root is the folder `prefix` of this one. There is no way back. */
  readonly child: (prefix: string) => Either.Either<StoreOf<C>, InvalidPath>
  /** The same store with a hook around every operation; the last one given is outermost. */
  readonly intercept: (interceptor: Interceptor) => StoreOf<C>
}

/**
 * A store that offers the capabilities `C`. A richer store can be given where a poorer one is asked for.
 *
 * @since 0.1.0
 * @category models
 */
export type StoreOf<C extends Capability> =
  & { readonly [K in Operation as Needs<K> extends C ? K : never]: Operations<C>[K] }
  & Meta<C>

/**
 * What the usual writable backends have in common.
 *
 * @since 0.1.0
 * @category models
 */
export type Common = "read" | "range" | "write" | "atomicWrite" | "createIfAbsent" | "delete" | "list" | "move" | "copy"

/**
 * The store of an application.
 *
 * @example
 * ```ts
 * import { Memory, Store } from "@sennit/store"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Store.Store
 *   yield* store.write("notes/a.txt", "hello")
 *   return yield* store.readText("notes/a.txt")
 * }).pipe(Effect.provide(Memory.layer))
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Store extends Context.Tag("@sennit/store/Store")<Store, StoreOf<Common>>() {}

/**
 * The identity of a store by name.
 *
 * @since 0.1.0
 * @category services
 */
export interface Named<Name extends string> {
  readonly _: "@sennit/store/Store"
  readonly name: Name
}

/**
 * The tag of one of several stores.
 *
 * @example
 * ```ts
 * import { Memory, Store } from "@sennit/store"
 * import { Layer } from "effect"
 *
 * const Uploads = Store.tag("uploads")
 * const UploadsLive = Layer.effect(Uploads, Memory.make())
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export const tag = <const Name extends string>(name: Name): Context.Tag<Named<Name>, StoreOf<Common>> =>
  Context.GenericTag<Named<Name>, StoreOf<Common>>(`@sennit/store/Store/${name}`)

/**
 * A store over a driver, for those who write one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDriver = <C extends Capability>(driver: Driver<C>): StoreOf<C> =>
  build<C>({ driver, base: StorePath.root, capabilities: driver.capabilities, interceptors: [] })

interface State {
  readonly driver: Driver
  readonly base: StorePath.Prefix
  readonly capabilities: ReadonlySet<Capability>
  readonly interceptors: ReadonlyArray<Interceptor>
}

const build = <C extends Capability>(state: State): StoreOf<C> => {
  const { base, capabilities, driver, interceptors } = state
  const methods = deriveMethods({
    table: operations,
    backend: driver.name,
    capabilities,
    methods: { ...makeOperations(driver, base) },
    interceptors
  })
  const meta: Meta<C> = {
    name: driver.name,
    capabilities,
    quality: driver.quality,
    supports: (capability) => capabilities.has(capability),
    require: <K extends Capability>(...wanted: ReadonlyArray<K>) => {
      const missing = wanted.find((capability) => !capabilities.has(capability))
      return missing === undefined
        ? Effect.sync(() => build<C | K>(state))
        : Effect.fail(new CapabilityNotSupported({ capability: missing, backend: driver.name, operation: "require" }))
    },
    only: <K extends C>(...kept: ReadonlyArray<K>) =>
      build<K>({ ...state, capabilities: new Set(kept.filter((capability) => capabilities.has(capability))) }),
    child: (prefix) =>
      Either.map(
        Either.flatMap(StorePath.parsePrefix(prefix), (own) =>
          own === "" ? Either.right(base) : StorePath.join(base, own)),
        (inner) =>
          build<C>({ ...state, base: inner })
      ),
    intercept: (interceptor) => build<C>({ ...state, interceptors: [...interceptors, interceptor] })
  }
  return typed<C>(methods, meta)
}

/**
 * The one place where the table's methods get their types back: `deriveMethods` has kept exactly the operations
 * whose needs are in the capabilities, which is what `StoreOf` says.
 */
function typed<C extends Capability>(methods: Methods, meta: Meta<C>): StoreOf<C>
function typed(methods: Methods, meta: object): object {
  return Object.assign({}, methods, meta)
}
