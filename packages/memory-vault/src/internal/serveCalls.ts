// @effect-diagnostics schemaSync:off -- an exit is answered outside of any fiber
/**
 * The worker's side of `Sync`: it owns the runtime, and with it the vault.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as MemoryScope from "../MemoryScope.ts"
import { layerSqlite, MemoryVault } from "../MemoryVault.ts"
import type { UserMemory } from "../MemoryVault.ts"
import { MemoryVaultError, SyncError } from "../MemoryVaultError.ts"
import { packTimes, unpackTimes } from "./carryTimes.ts"
import type { Ask, CallOf, FromWorker, StreamOf, ToWorker, WorkerStart } from "./modelCalls.ts"
import { plainCalls, plainStreams } from "./plainCalls.ts"
import type { Calls, Streams } from "./plainCalls.ts"

interface OpenStream {
  readonly pull: Effect.Effect<Chunk.Chunk<unknown>, Option.Option<MemoryVaultError>>
  readonly scope: Scope.CloseableScope
}

const encodeError = Schema.encodeSync(MemoryVaultError)
const isKnown = Schema.is(MemoryVaultError)

const errorOf = (cause: Cause.Cause<MemoryVaultError>): typeof MemoryVaultError.Encoded => {
  const error = Cause.squash(cause)
  return encodeError(isKnown(error) ? error : new SyncError({ reason: "worker", cause: error }))
}

/** Both threads run this package, so what one packs is what the other expects. */
const isUnpacked = <A>(packed: A, value: unknown): value is A => Array.isArray(packed) === Array.isArray(value)

const argsOf = <A extends ReadonlyArray<unknown>>(packed: A): A => {
  const args = unpackTimes(packed)
  if (isUnpacked(packed, args)) return args
  throw new TypeError("arguments are a list")
}

const call = <Op extends keyof Calls>(memory: UserMemory, { args, op }: CallOf<Op>) =>
  plainCalls[op](memory, ...argsOf(args))

const stream = <Op extends keyof Streams>(memory: UserMemory, { args, op }: StreamOf<Op>) =>
  plainStreams[op](memory, ...argsOf(args))

class CallServer {
  readonly #start: WorkerStart
  readonly #runtime: ManagedRuntime.ManagedRuntime<MemoryVault, MemoryVaultError>
  readonly #streams = new Map<number, OpenStream>()

  constructor(start: WorkerStart) {
    this.#start = start
    this.#runtime = ManagedRuntime.make(layerSqlite({
      ...start.options,
      masterKey: start.masterKey && Redacted.make(start.masterKey)
    }))
  }

  readonly take = (message: ToWorker): void => {
    if (message.type === "ping") return this.#tell({ type: "pong" })
    const { ask, id } = message
    if (ask.kind === "shutdown") return this.#shutDown(id)
    this.#runtime.runFork(this.#perform(id, ask)).addObserver((exit) => this.#answer(id, exit))
  }

  #shutDown(id: number): void {
    Effect.runFork(this.#runtime.disposeEffect).addObserver((exit) => {
      this.#answer(id, exit)
      this.#start.port.close()
    })
  }

  #tell(message: FromWorker): void {
    this.#start.port.postMessage(message, [])
    Atomics.add(this.#start.signal, 0, 1)
    Atomics.notify(this.#start.signal, 0)
  }

  #answer(id: number, exit: Exit.Exit<unknown, MemoryVaultError>): void {
    this.#tell(
      Exit.isSuccess(exit)
        ? { type: "done", id, value: packTimes(exit.value) }
        : { type: "failed", id, error: errorOf(exit.cause) }
    )
  }

  #perform(
    id: number,
    ask: Exclude<Ask, { readonly kind: "shutdown" }>
  ): Effect.Effect<unknown, MemoryVaultError, MemoryVault> {
    switch (ask.kind) {
      case "call":
        return Effect.flatMap(this.#memory(ask.scope), (memory) => call(memory, ask))
      case "stream":
        return Effect.flatMap(this.#memory(ask.scope), (memory) => this.#open(id, stream(memory, ask)))
      case "next":
        return this.#next(ask.stream)
      case "leave":
        return this.#leave(ask.stream)
    }
  }

  #memory(ids: MemoryScope.ScopeIds) {
    return Effect.zipWith(MemoryVault, MemoryScope.make(ids), (vault, scope) => vault.scoped(scope))
  }

  #open(id: number, items: Stream.Stream<unknown, MemoryVaultError>): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const scope = yield* Scope.make()
      const pull = yield* Scope.extend(Stream.toPull(items), scope)
      this.#streams.set(id, { pull, scope })
    })
  }

  #next(id: number): Effect.Effect<ReadonlyArray<unknown> | undefined, MemoryVaultError> {
    const open = this.#streams.get(id)
    return open === undefined ? Effect.succeed(undefined) : open.pull.pipe(
      Effect.map(Chunk.toReadonlyArray),
      Effect.catchAll((end) =>
        Effect.zipRight(
          this.#leave(id),
          Option.match(end, { onNone: () => Effect.succeed(undefined), onSome: (error) => Effect.fail(error) })
        )
      )
    )
  }

  #leave(id: number): Effect.Effect<void> {
    const open = this.#streams.get(id)
    this.#streams.delete(id)
    return open === undefined ? Effect.void : Scope.close(open.scope, Exit.void)
  }
}

/**
 * Answers the calls of the thread that started this one.
 *
 * @since 0.1.0
 */
export const serve = (start: WorkerStart): void => {
  start.port.on("message", new CallServer(start).take)
}
