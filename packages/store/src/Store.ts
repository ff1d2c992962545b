/**
 * One contract over every backend. A store has only the operations that its backend can keep: what it does not
 * offer is missing from its type and from the object.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Random from "effect/Random"
import type { Capability, Quality } from "./Capability.ts"
import type { Driver } from "./Driver.ts"
import type { Interceptor } from "./Interceptor.ts"
import { deriveMethods } from "./internal/deriveMethods.ts"
import type { Methods } from "./internal/deriveMethods.ts"
import { at, makeKernel, relative, relativeFolder } from "./internal/kernel.ts"
import { makeOperations } from "./internal/makeOperations.ts"
import { probeDriver } from "./internal/probeDriver.ts"
import { operations } from "./Operations.ts"
import type { Needs, Operation, Operations } from "./Operations.ts"
import { CapabilityNotSupported, InvalidPath } from "./StoreError.ts"
import type { StoreError } from "./StoreError.ts"
import * as StorePath from "./StorePath.ts"

export type {
  /**
   * What a store can keep; see the module of that name.
   *
   * @since 0.1.0
   * @category models
   */
  Capability
} from "./Capability.ts"

/**
 * Where a path of a store really is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resolution {
  readonly backend: string
  /** As this store shows it. */
  readonly path: StorePath.Prefix
  /** As the backend's driver knows it: with the folders of `child`. */
  readonly key: StorePath.Prefix
  /** As the backend's own tools name it. */
  readonly nativePath: string
}

/**
 * What every store has, whatever it can do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Meta<C extends Capability> extends Pipeable {
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
  /**
   * The same store with only what its backend was just seen to keep, tried out on an object of its own: a server may
   * ignore conditions that it should enforce. `require` gives the rest its types back.
   */
  readonly probe: Effect.Effect<StoreOf<never>, StoreError>
  /** The path of this store that the backend's own tools know by this name. */
  readonly toKey: (nativePath: string) => Either.Either<StorePath.Key, InvalidPath>
  /** The name by which the backend's own tools know a path, such as a file's path or a URL. */
  readonly nativePath: (path: string) => Either.Either<string, InvalidPath>
  /** Both of these and more, without I/O. */
  readonly resolve: (path: string) => Either.Either<Resolution, InvalidPath>
  /** The driver's own client. Only the store as it was opened gives it: a narrowed store or a child never does. */
  readonly unwrap: <I, A>(client: Context.Tag<I, A>) => Effect.Effect<A, CapabilityNotSupported>
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
export type Common = (typeof common)[number]

/** @internal */
export const common = [
  "read",
  "range",
  "write",
  "atomicWrite",
  "createIfAbsent",
  "delete",
  "list",
  "move",
  "copy"
] as const satisfies ReadonlyArray<Capability>

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
  build<C>({
    driver,
    base: StorePath.root,
    capabilities: driver.capabilities,
    interceptors: [],
    services: driver.services ?? Context.empty()
  })

interface State {
  readonly driver: Driver
  /** The clients that `unwrap` gives. */
  readonly services: Context.Context<never>
  readonly base: StorePath.Prefix
  readonly capabilities: ReadonlySet<Capability>
  readonly interceptors: ReadonlyArray<Interceptor>
}

/** What the layers need to put something below the contract; nobody else gets at the driver of a store. */
const states = new WeakMap<object, State>()

/** @internal */
export const driverOf = (store: object): Driver | undefined => states.get(store)?.driver

/** @internal The same store over a driver made from its own, which offers the same. */
export const overDriver = <C extends Capability>(store: StoreOf<C>, layer: (driver: Driver) => Driver): StoreOf<C> => {
  const state = states.get(store)
  return state === undefined ? store : build<C>({ ...state, driver: layer(state.driver) })
}

const build = <C extends Capability>(state: State): StoreOf<C> => {
  const { base, capabilities, driver, interceptors } = state
  const methods = deriveMethods({
    table: operations,
    backend: driver.name,
    base,
    capabilities,
    methods: { ...makeOperations(driver, base) },
    interceptors
  })
  const narrow = (kept: (capability: Capability) => boolean): State => ({
    ...state,
    capabilities: new Set([...capabilities].filter(kept)),
    services: Context.empty()
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
      build<K>(narrow((capability) => kept.some((one) => one === capability))),
    child: (prefix) =>
      Either.map(
        makeKernel(driver, base).locateFolder("child", prefix),
        (inner) => build<C>({ ...state, base: inner, services: inner === base ? state.services : Context.empty() })
      ),
    probe: Effect.map(
      probeState(state),
      (ignored) => build<never>(narrow((capability) => !ignored.includes(capability)))
    ),
    ...naming(driver, base),
    unwrap: (client) =>
      Option.match(Context.getOption(state.services, client), {
        onNone: () => new CapabilityNotSupported({ capability: client.key, backend: driver.name, operation: "unwrap" }),
        onSome: Effect.succeed
      }),
    intercept: (interceptor) => build<C>({ ...state, interceptors: [...interceptors, interceptor] }),
    pipe() {
      return pipeArguments(this, arguments)
    }
  }
  const store = typed<C>(methods, meta)
  states.set(store, state)
  return store
}

const probeState = ({ base, capabilities, driver }: State): Effect.Effect<ReadonlyArray<Capability>, StoreError> =>
  Effect.gen(function*() {
    const kernel = makeKernel({ ...driver, capabilities }, base)
    const nonce = yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)
    const source = yield* kernel.locate("probe", `sennit-probe-${nonce.toString(36)}`)
    return yield* kernel.guard({ operation: "probe", source }, probeDriver(kernel.driver, source.key))
  })

/** What is said of names without I/O. */
const naming = (
  driver: Driver,
  base: StorePath.Prefix
): Pick<Meta<never>, "toKey" | "nativePath" | "resolve"> => {
  const { native } = driver
  const kernel = makeKernel(driver, base)
  const resolve = (operation: string) => (path: string) =>
    Either.map(kernel.locateFolder(operation, path), (key): Resolution => ({
      backend: driver.name,
      path: relativeFolder(base, key),
      key,
      nativePath: native === undefined ? key : native.toPath(key)
    }))
  return {
    resolve: resolve("resolve"),
    nativePath: (path) => Either.map(resolve("nativePath")(path), ({ nativePath }) => nativePath),
    toKey: (path) => {
      const key = native === undefined ? path : native.toKey(path)
      const inside = key !== undefined && StorePath.isKey(key) && (base === "" || key.startsWith(`${base}/`))
      return inside
        ? Either.right(relative(base, key))
        : Either.left(at(driver, "toKey", new InvalidPath({ path, reason: "NotNative" })))
    }
  }
}

/**
 * The one place where the table's methods get their types back: `deriveMethods` has kept exactly the operations
 * whose needs are in the capabilities, which is what `StoreOf` says.
 */
function typed<C extends Capability>(methods: Methods, meta: Meta<C>): StoreOf<C>
function typed(methods: Methods, meta: object): object {
  return Object.assign({}, methods, meta)
}
