/**
 * The store for programs that wait: every call blocks its thread until it is done. A worker thread has the store, and
 * ends with `close()` or `using`.
 *
 * - `read`, `list` and `glob` are pulled from as their iterator goes on; leaving the loop closes them. A body may be an
 *   iterable, which is pulled as the backend takes it, on the calling thread.
 * - Failures are thrown: the classes of `StoreError`, and what an iterable throws as it is.
 * - While a call blocks, nothing else runs on its thread: no timer, no promise, and no server. Where a fiber of Effect
 *   runs, a call is refused (`SyncError`, `InsideFiber`).
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Capabilities from "./Capability.ts"
import type { Capability, Quality } from "./Capability.ts"
import { WorkerBridge } from "./internal/callWorker.ts"
import { deriveBlocking } from "./internal/deriveBlocking.ts"
import type { Blocking } from "./internal/deriveBlocking.ts"
import type { Description } from "./internal/modelCalls.ts"
import type { CapabilityOf, Element, Given, Success } from "./internal/modelFacades.ts"
import { operations } from "./Operations.ts"
import type { Needs, Operations, SyncOperation } from "./Operations.ts"
import type { Settings } from "./StoreConfig.ts"
import { CapabilityNotSupported, SyncError } from "./StoreError.ts"
import * as StorePath from "./StorePath.ts"

type Member<X> = X extends (...args: infer Args) => infer Answer ? (...args: Given<Args, "sync">) => Success<Answer>
  : X extends Effect.Effect<infer A, infer _E, infer _R> ? () => A
  : X

/**
 * Something that was opened: what it has that blocks, and `using`. A writer that was not committed writes nothing.
 *
 * @since 0.1.0
 * @category models
 */
export type Opened<A> = { readonly [M in keyof A]: Member<A[M]> } & Disposable

type Blocked<K extends SyncOperation, F> = F extends (...args: infer Args) => infer Answer
  ? (...args: Given<Args, "sync">) => (typeof operations)[K]["kind"] extends "stream" ? Generator<Element<Answer>, void>
    : (typeof operations)[K]["kind"] extends "scoped" ? Opened<Success<Answer>>
    : Success<Answer>
  : never

/**
 * A store's operations as calls that block; as everywhere, only those that its backend can keep.
 *
 * @since 0.1.0
 * @category models
 */
export type SyncStore<C extends Capability> =
  & { readonly [K in SyncOperation as Needs<K> extends C ? K : never]: Blocked<K, Operations<C>[K]> }
  & {
    readonly name: string
    readonly capabilities: ReadonlySet<Capability>
    readonly quality: Quality
    readonly supports: (capability: Capability) => boolean
    /** The same store with more in its type, if it has it at run time; throws `CapabilityNotSupported`. */
    readonly require: <K extends Capability>(...capabilities: ReadonlyArray<K>) => SyncStore<C | K>
    /** A store whose root is the folder `prefix` of this one; it ends with this one. Throws `InvalidPath`. */
    readonly child: (prefix: string) => SyncStore<C>
    /** Ends the worker with all that is open. Later calls throw `SyncError`, `Closed`. */
    readonly close: () => void
  }
  & Disposable

/**
 * Opens a store in a worker of its own. S3 and HTTP go through `fetch`.
 *
 * @example
 * ```ts
 * import { createStore } from "@sennit/store/Sync"
 *
 * using store = createStore({ driver: "local", root: "/var/lib/app/files" })
 * store.write("a.txt", "hello", { mode: "overwrite" })
 * for (const entry of store.list("")) entry.key
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const createStore = <const S extends Settings>(settings: S): SyncStore<CapabilityOf<S["driver"]>> => {
  const bridge = new WorkerBridge(settings)
  try {
    const description = bridge.request(bridge.nextId, { op: "describe" })
    if (!isDescription(description)) throw new SyncError({ reason: "Worker", detail: "the store is not described" })
    return build(bridge, description, StorePath.root)
  } catch (error) {
    bridge.close()
    throw error
  }
}

const isDescription = (value: unknown): value is Description =>
  typeof value === "object" && value !== null && "capabilities" in value && Array.isArray(value.capabilities)

const build = <C extends Capability>(
  bridge: WorkerBridge,
  description: Description,
  base: StorePath.Prefix
): SyncStore<C> => {
  const { name, quality } = description
  const capabilities = new Set(Capabilities.all.filter((one) => description.capabilities.includes(one)))
  const close = () => bridge.close()
  return typed<C>(deriveBlocking(operations, capabilities, base, bridge), {
    name,
    capabilities,
    quality,
    supports: (capability: Capability) => capabilities.has(capability),
    require: <K extends Capability>(...wanted: ReadonlyArray<K>) => {
      const missing = wanted.find((capability) => !capabilities.has(capability))
      if (missing === undefined) return build<C | K>(bridge, description, base)
      throw new CapabilityNotSupported({ capability: missing, backend: name, operation: "require" })
    },
    child: (prefix: string) =>
      build<C>(
        bridge,
        description,
        Either.getOrThrowWith(
          Either.flatMap(
            StorePath.parsePrefix(prefix),
            (own): ReturnType<typeof StorePath.parsePrefix> =>
              own === "" ? Either.right(base) : StorePath.join(base, own)
          ),
          (error) => error
        )
      ),
    close,
    [Symbol.dispose]: close
  })
}

/** `deriveBlocking` has made of every operation of the table what `Blocked` says. */
function typed<C extends Capability>(methods: Blocking, meta: object): SyncStore<C>
function typed(methods: Blocking, meta: object): object {
  return Object.assign({}, methods, meta)
}
