/** From a table of operations and a store's methods to promises and async iterables. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isPlain } from "../Operations.ts"
import type { OperationTable } from "../Operations.ts"
import type { StoreError } from "../StoreError.ts"
import { rejectWithFailure } from "./runPromise.ts"

/** @internal */
export interface Promises {
  readonly [operation: string]: { call(...args: ReadonlyArray<unknown>): unknown }["call"]
}

const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value

const isEffect = (value: unknown): value is Effect.Effect<unknown, StoreError> => Effect.isEffect(value)

const isStream = (value: unknown): value is Stream.Stream<unknown, StoreError> =>
  typeof value === "object" && value !== null && Stream.StreamTypeId in value

/** @internal Bodies may be async iterables; everything else is passed as it is. */
export const derivePromises = (
  table: OperationTable,
  methods: { readonly [name: string]: unknown }
): Promises => {
  const derived: { [operation: string]: Promises[string] } = {}
  for (const [operation, spec] of Object.entries(table)) {
    const method = methods[operation]
    if (typeof method !== "function" || !isPlain(spec)) continue
    derived[operation] = (...args) => {
      const given = args.map((arg, index) =>
        spec.arguments[index] === "body" && isAsyncIterable(arg) ? Stream.fromAsyncIterable(arg, (error) => error) : arg
      )
      const result: unknown = method(...given)
      if (isEffect(result)) return rejectWithFailure(result)
      return isStream(result) ? Stream.toAsyncIterable(result) : result
    }
  }
  return derived
}
