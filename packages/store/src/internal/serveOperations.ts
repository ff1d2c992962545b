// @effect-diagnostics anyUnknownInErrorContext:off the table applies to operations whatever their types
/** From a table of operations and a store's methods to the answers that can be sent to another thread. */
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isSendable } from "../Operations.ts"
import type { OperationTable } from "../Operations.ts"
import { SyncError } from "../StoreError.ts"
import type { StoreError } from "../StoreError.ts"
import { pack, unpack } from "./carryValues.ts"
import { pulled } from "./modelCalls.ts"
import type { Batch, Opened, Request } from "./modelCalls.ts"

/** So many streams, readers and writers may be open; the oldest is given up for the next. */
const maxOpen = 256

/** @internal The iterable of the other thread threw; what it threw stayed there. */
export class SourceBroken extends Data.TaggedError("@sennit/store/SourceBroken") {}

type Failure = StoreError | SyncError | SourceBroken

/** @internal */
export interface Served {
  readonly table: OperationTable
  /** The store's methods, below a folder of it. */
  readonly storeAt: (child: string) => Effect.Effect<object, StoreError>
  /** The next elements of the iterable that belongs to a call; undefined after the last. */
  readonly pull: (id: number) => Effect.Effect<ReadonlyArray<unknown> | undefined, SourceBroken>
}

/** What stays open between calls: a stream that is pulled from, or something scoped with its members. */
interface Open {
  readonly scope: Scope.CloseableScope
  readonly pull?: Effect.Effect<Chunk.Chunk<unknown>, Option.Option<Failure>>
  readonly value?: object
}

const isEffect = (value: unknown): value is Effect.Effect<unknown, Failure> => Effect.isEffect(value)

const isScoped = (value: unknown): value is Effect.Effect<object, Failure, Scope.Scope> => Effect.isEffect(value)

const isStream = (value: unknown): value is Stream.Stream<unknown, Failure> =>
  typeof value === "object" && value !== null && Stream.StreamTypeId in value

const refuse = (reason: SyncError["reason"], detail: string) => Effect.fail(new SyncError({ reason, detail }))

const isCallable = (member: unknown): boolean => typeof member === "function" || isEffect(member)

const describeOpened = (value: object): Opened => {
  const members: ReadonlyArray<readonly [string, unknown]> = Object.entries(value)
  return {
    values: Object.fromEntries(members.filter(([, one]) => !isCallable(one)).map(([name, one]) => [name, pack(one)])),
    members: members.filter(([, one]) => isCallable(one)).map(([name]) => name)
  }
}

/** @internal Answers requests; every value that it takes and gives can be cloned. */
export const makeServer = ({ pull, storeAt, table }: Served) => {
  const open = new Map<number, Open>()

  const close = (of: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const one = open.get(of)
      open.delete(of)
      // A writer that was not committed is not to become an object now.
      return one === undefined ? Effect.void : Scope.close(one.scope, Exit.interrupt(FiberId.none))
    })

  const keep = (id: number, one: Open): Effect.Effect<void> => {
    const [oldest] = open.keys()
    open.set(id, one)
    return oldest !== undefined && open.size > maxOpen ? close(oldest) : Effect.void
  }

  /** Opens in a scope of its own, which is closed again where that fails. */
  const opening = <A>(id: number, build: (scope: Scope.CloseableScope) => Effect.Effect<A, Failure>) =>
    Effect.flatMap(
      Scope.make(),
      (scope) =>
        Effect.onError(build(scope), (cause) => Effect.zipRight(close(id), Scope.close(scope, Exit.failCause(cause))))
    )

  const next = (of: number): Effect.Effect<Batch, Failure> =>
    Effect.suspend(() => {
      const source = open.get(of)?.pull
      return source === undefined ? refuse("Closed", "this stream is closed") : Effect.matchEffect(source, {
        onSuccess: (elements) => Effect.succeed({ elements: Chunk.toReadonlyArray(elements).map(pack), ended: false }),
        onFailure: (end): Effect.Effect<Batch, Failure> =>
          Effect.zipRight(
            close(of),
            Option.match(end, {
              onNone: () => Effect.succeed({ elements: [], ended: true }),
              onSome: (failure) => Effect.fail(failure)
            })
          )
      })
    })

  const openStream = (id: number, stream: Stream.Stream<unknown, Failure>) =>
    opening(
      id,
      (scope) =>
        Effect.flatMap(Scope.extend(Stream.toPull(stream), scope), (source) =>
          Effect.zipRight(keep(id, { scope, pull: source }), next(id)))
    )

  const openScoped = (id: number, effect: Effect.Effect<object, Failure, Scope.Scope>) =>
    opening(id, (scope) =>
      Effect.flatMap(
        Scope.extend(effect, scope),
        (value) => Effect.as(keep(id, { scope, value }), describeOpened(value))
      ))

  const invoke = (of: number, member: string, args: ReadonlyArray<unknown>) =>
    Effect.suspend(() => {
      const value = open.get(of)?.value
      if (value === undefined) return refuse("Closed", "it is closed, or was given up for many later ones")
      const own: unknown = Reflect.get(value, member)
      const answer: unknown = typeof own === "function" ? Reflect.apply(own, value, args.map(unpack)) : own
      return Effect.map(isEffect(answer) ? answer : Effect.succeed(answer), pack)
    })

  const call = (id: number, { arguments: args, child, operation }: Extract<Request, { readonly op: "call" }>) =>
    Effect.flatMap(storeAt(child), (store): Effect.Effect<unknown, Failure> => {
      const spec = table[operation]
      const method: unknown = Reflect.get(store, operation)
      if (spec === undefined || !isSendable(spec) || typeof method !== "function") {
        return refuse("Worker", `there is no operation ${operation}`)
      }
      const given = args.map((arg) => arg === pulled ? Stream.flattenIterables(pieces(id)) : unpack(arg))
      const answer: unknown = method(...given)
      if (isStream(answer)) return openStream(id, answer)
      if (spec.kind === "scoped" && isScoped(answer)) return openScoped(id, answer)
      return isEffect(answer) ? Effect.map(answer, pack) : refuse("Worker", `${operation} answered oddly`)
    })

  const pieces = (id: number) =>
    Stream.repeatEffectOption(Effect.matchEffect(pull(id), {
      onFailure: (broken) => Effect.fail(Option.some(broken)),
      onSuccess: (elements) => elements === undefined ? Effect.fail(Option.none()) : Effect.succeed(elements)
    }))

  return {
    perform: (id: number, request: Exclude<Request, { readonly op: "shutdown" | "describe" }>) => {
      switch (request.op) {
        case "call":
          return call(id, request)
        case "next":
          return next(request.of)
        case "invoke":
          return invoke(request.of, request.member, request.arguments)
        case "close":
          return close(request.of)
      }
    },
    closeAll: Effect.suspend(() => Effect.forEach([...open.keys()], close, { discard: true }))
  }
}
