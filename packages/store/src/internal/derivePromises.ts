/** From a table of operations and a store's methods to promises, async iterables and `await using`. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isPromised } from "../Operations.ts"
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

const isScoped = (value: unknown): value is Effect.Effect<object, StoreError, Scope.Scope> => Effect.isEffect(value)

const isStream = (value: unknown): value is Stream.Stream<unknown, StoreError> =>
  typeof value === "object" && value !== null && Stream.StreamTypeId in value

/** @internal Bodies and keys may be async iterables; everything else is passed as it is. */
export const derivePromises = (
  table: OperationTable,
  methods: { readonly [name: string]: unknown }
): Promises => {
  const derived: { [operation: string]: Promises[string] } = {}
  for (const [operation, spec] of Object.entries(table)) {
    const method = methods[operation]
    if (typeof method !== "function" || !isPromised(spec)) continue
    derived[operation] = (...args) => {
      const given = args.map((arg) => isAsyncIterable(arg) ? Stream.fromAsyncIterable(arg, (error) => error) : arg)
      const result: unknown = method(...given)
      if (spec.kind === "scoped" && isScoped(result)) return rejectWithFailure(open(result))
      if (isEffect(result)) return rejectWithFailure(result)
      return isStream(result) ? Stream.toAsyncIterable(result) : result
    }
  }
  return derived
}

/** The scope ends when the handle is disposed of: as if interrupted, so that nothing is committed by that. */
const open = <E>(scoped: Effect.Effect<object, E, Scope.Scope>): Effect.Effect<object, E> =>
  Effect.flatMap(Scope.make(), (scope) =>
    Scope.extend(scoped, scope).pipe(
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
      Effect.map((value) => handle(value, () => rejectWithFailure(Scope.close(scope, Exit.interrupt(FiberId.none)))))
    ))

const handle = (value: object, dispose: () => Promise<void>): object => {
  const members = Object.entries(value).map(([name, member]) => [name, promised(value, member)])
  return Object.assign(Object.fromEntries(members), { [Symbol.asyncDispose]: dispose })
}

const promised = (self: object, member: unknown): unknown => {
  if (isEffect(member)) return () => rejectWithFailure(member)
  return typeof member !== "function" ? member : (...args: ReadonlyArray<unknown>) => {
    const answer: unknown = Reflect.apply(member, self, args)
    return isEffect(answer) ? rejectWithFailure(answer) : answer
  }
}
