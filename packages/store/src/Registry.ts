/**
 * Several stores by name: each is opened when it is first asked for, shared by all who ask, and closed with the
 * registry.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type { ConfigError } from "effect/ConfigError"
import type { ConfigProvider } from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { openSettings } from "./internal/openSettings.ts"
import * as Store from "./Store.ts"
import * as StoreConfig from "./StoreConfig.ts"
import { UnknownStore } from "./StoreError.ts"
import type { StoreError } from "./StoreError.ts"

/**
 * The stores of an application.
 *
 * @since 0.1.0
 * @category services
 */
export class Registry extends Context.Tag("@sennit/store/Registry")<Registry, {
  readonly names: ReadonlyArray<string>
  /**
   * The store of this name, opened now or by an earlier call; `require` gives it its types. An opening that fails is
   * made again by the next call.
   */
  readonly open: (name: string) => Effect.Effect<Store.StoreOf<never>, UnknownStore | StoreError>
}>() {}

type Opener<R> = Effect.Effect<Store.StoreOf<never>, StoreError, R | Scope.Scope>

/**
 * How each store is opened.
 *
 * @since 0.1.0
 * @category options
 */
export interface Openers<R> {
  readonly [name: string]: Opener<R>
}

/**
 * A registry of stores that are opened so. When it ends all of them are closed, also when the closing of one dies.
 *
 * @example
 * ```ts
 * import { Layers, Local, Memory, Registry } from "@sennit/store"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Registry.make({
 *     uploads: Effect.map(Local.make({ root: "/var/lib/app/uploads" }), Layers.limit(16)),
 *     scratch: Memory.make()
 *   })
 *   const scratch = yield* Effect.flatMap(registry.open("scratch"), (store) => store.require("read", "write"))
 *   yield* scratch.write("a", "x", { mode: "overwrite" })
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <R>(
  openers: Openers<R>
): Effect.Effect<Registry["Type"], never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<R | Scope.Scope>()
    const names = Object.keys(openers)
    const stores = new Map(
      Object.entries<Opener<R>>(openers).map(([name, open]) => [name, once(context, open)] as const)
    )
    return Registry.of({ names, open: (name) => stores.get(name) ?? new UnknownStore({ name, names }) })
  })

/** The first success is everybody's; a failure closes what was opened so far. */
const once = <R>(
  context: Context.Context<R | Scope.Scope>,
  open: Opener<R>
): Effect.Effect<Store.StoreOf<never>, StoreError> => {
  const turn = Effect.unsafeMakeSemaphore(1)
  let opened: Store.StoreOf<never> | undefined
  const first = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const own = yield* Scope.fork(Context.get(context, Scope.Scope), ExecutionStrategy.sequential)
      const inOwn = (): Context.Context<R | Scope.Scope> => Context.add(context, Scope.Scope, own)
      const exit = yield* Effect.exit(
        restore(Effect.mapInputContext<Store.StoreOf<never>, StoreError, R | Scope.Scope, never>(open, inOwn))
      )
      if (Exit.isSuccess(exit)) opened = exit.value
      else yield* Scope.close(own, exit)
      return yield* exit
    })
  )
  const now = Effect.suspend(() => opened === undefined ? first : Effect.succeed(opened))
  return Effect.suspend(() => opened === undefined ? turn.withPermits(1)(now) : Effect.succeed(opened))
}

/**
 * The same as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R>(openers: Openers<R>): Layer.Layer<Registry, never, Exclude<R, Scope.Scope>> =>
  Layer.scoped(Registry, make(openers))

/**
 * A registry of stores whose settings come from the environment, see `StoreConfig.named`. They are read now, so that
 * what is missing shows at once; the stores are opened when they are needed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  names: ReadonlyArray<string>,
  options?: { readonly sources?: ReadonlyArray<ConfigProvider> }
): Layer.Layer<Registry, ConfigError, HttpClient.HttpClient> =>
  Layer.scoped(
    Registry,
    Effect.flatMap(
      Effect.forEach(names, (name) =>
        Effect.map(
          StoreConfig.named(name, options?.sources),
          (settings) => [name, openSettings(settings)] as const
        )),
      (openers) => make(Object.fromEntries(openers))
    )
  )

/**
 * The store of a name as `Store.tag(name)`. Fails with `CapabilityNotSupported` where it offers less than the usual
 * writable backends.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStore = <const Name extends string>(
  name: Name
): Layer.Layer<Store.Named<Name>, UnknownStore | StoreError, Registry> =>
  Layer.effect(
    Store.tag(name),
    Effect.flatMap(
      Registry,
      (registry) => Effect.flatMap(registry.open(name), (store) => store.require(...Store.common))
    )
  )
