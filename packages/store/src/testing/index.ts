/**
 * The contract as data, for everyone who writes a driver or an interceptor, and faults to inject.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { Capability } from "../Capability.ts"
import type { Interceptor } from "../Interceptor.ts"
import { deriveBlocking } from "../internal/deriveBlocking.ts"
import type { Blocking } from "../internal/deriveBlocking.ts"
import { deriveMethods } from "../internal/deriveMethods.ts"
import type { Methods } from "../internal/deriveMethods.ts"
import { derivePromises } from "../internal/derivePromises.ts"
import { linkInThread } from "../internal/linkInThread.ts"
import type { OperationTable } from "../Operations.ts"
import type { StoreOf } from "../Store.ts"
import type { StoreError } from "../StoreError.ts"
import * as StorePath from "../StorePath.ts"
import type { Conformance } from "./Case.ts"
import { gates } from "./gates.ts"
import { looking } from "./looking.ts"
import { opening } from "./opening.ts"
import { reading } from "./reading.ts"
import { writing } from "./writing.ts"

/**
 * @since 0.1.0
 */
export { type Conformance, ConformanceFailure } from "./Case.ts"

/**
 * @since 0.1.0
 */
export { type FaultPlan, type FaultProxy, faultProxy } from "./faultProxy.ts"

/**
 * Every promise of the contract.
 *
 * @since 0.1.0
 * @category conformance
 */
export const conformance: ReadonlyArray<Conformance> = [...reading, ...looking, ...opening, ...writing, ...gates]

/**
 * The cases that a store with these capabilities has to pass.
 *
 * @since 0.1.0
 * @category conformance
 */
export const conformanceFor = (capabilities: Pick<ReadonlySet<Capability>, "has">): ReadonlyArray<Conformance> =>
  conformance.filter(({ lacks, needs }) =>
    needs.every((capability) => capabilities.has(capability)) &&
    !lacks.some((capability) => capabilities.has(capability))
  )

/**
 * Fails the `nth` call (from 1) of an operation, or of any, and every call between lets pass.
 *
 * @since 0.1.0
 * @category faults
 */
export const failNth = (options: {
  readonly operation?: string
  readonly nth: number
  readonly error: StoreError
}): Effect.Effect<Interceptor> =>
  Effect.map(Ref.make(0), (calls) => {
    const check = (operation: string) =>
      options.operation === undefined || options.operation === operation
        ? Effect.flatMap(
          Ref.updateAndGet(calls, (count) => count + 1),
          (count) => count === options.nth ? Effect.fail(options.error) : Effect.void
        )
        : Effect.void
    return {
      effect: (call, next) => Effect.zipRight(check(call.operation), next),
      stream: (call, next) => Stream.unwrap(Effect.as(check(call.operation), next))
    }
  })

/**
 * Lets every stream of an operation fail after so many elements.
 *
 * @since 0.1.0
 * @category faults
 */
export const cutStreams = (options: {
  readonly operation: string
  readonly after: number
  readonly error: StoreError
}): Interceptor => ({
  stream: (call, next) =>
    call.operation === options.operation
      ? Stream.concat(Stream.take(next, options.after), Stream.fail(options.error))
      : next
})

/**
 * What the table of operations makes of bare methods: for proofs that a new operation reaches every surface.
 *
 * @since 0.1.0
 * @category derivations
 */
export const derive = (options: {
  readonly table: OperationTable
  readonly capabilities: ReadonlySet<Capability>
  readonly methods: Methods
  readonly interceptors?: ReadonlyArray<Interceptor>
}): {
  readonly methods: Methods
  readonly promises: ReturnType<typeof derivePromises>
  /** Over the protocol of the worker; what goes to and fro is cloned. */
  readonly blocking: Blocking
} => {
  const methods = deriveMethods({ interceptors: [], backend: "derived", base: StorePath.root, ...options })
  return {
    methods,
    promises: derivePromises(options.table, methods),
    blocking: deriveBlocking(options.table, options.capabilities, "", linkInThread(options.table, methods))
  }
}

/**
 * Runs every case that applies, one after the other, and answers their names.
 *
 * @since 0.1.0
 * @category conformance
 */
export const runConformance = (store: StoreOf<never>) =>
  Effect.forEach(conformanceFor(store.capabilities), ({ name, run }) => Effect.as(run(store), name))
