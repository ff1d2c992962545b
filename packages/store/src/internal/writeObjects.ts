/** The operations that write objects. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Digest, Version, WriteResult } from "../Entry.ts"
import type { AtomicWriter, Body, Operations, WriteOptions } from "../Operations.ts"
import type * as E from "../StoreError.ts"
import { refused } from "./kernel.ts"
import type { Kernel } from "./kernel.ts"
import { checkDigest, digestOf, digestStream } from "./makeDigest.ts"

const encoder = new TextEncoder()

const toBytes = (body: string | Uint8Array): Uint8Array => typeof body === "string" ? encoder.encode(body) : body

/** How many pieces wait in a writer before its writer waits. */
const pending = 2

type Put = <X, R>(
  path: string,
  body: Body<X, R>,
  options: WriteOptions | undefined
) => Effect.Effect<WriteResult, E.StoreError | X, R>

/** @internal */
export const writeObjects = (kernel: Kernel): Pick<Operations, "write" | "sink" | "openAtomic"> => ({
  write: putter(kernel, "write"),
  sink: (path, options) =>
    Sink.unwrapScoped(
      Effect.map(openWriter(putter(kernel, "sink"), path, options, false), (writer) =>
        Sink.mapEffect(Sink.forEach(writer.write), () => writer.commit))
    ),
  openAtomic: (path, options) => openWriter(putter(kernel, "openAtomic"), path, options, true)
})

const putter = (kernel: Kernel, operation: string): Put => {
  const { driver } = kernel
  const put = driver.put
  if (put === undefined) return () => refused(driver, operation, "write")
  return <X, R>(path: string, body: Body<X, R>, options: WriteOptions | undefined) =>
    Effect.flatMap(kernel.locate(operation, path), (target) => {
      const attributes = {
        contentType: Option.fromNullable(options?.contentType),
        metadata: options?.metadata ?? {}
      }
      const send = (bytes: Uint8Array | Stream.Stream<Uint8Array, X | E.IntegrityMismatch, R>) =>
        kernel.guard(
          { operation, target },
          put(target.key, bytes, { mode: options?.mode ?? "create", attributes })
        )
      const written = (digest?: Digest) => (version: Version): WriteResult =>
        digest === undefined ? { key: target.path, ...version } : { key: target.path, ...version, digest }
      const own = typeof body === "string" ? encoder.encode(body) : body
      const wanted = options?.digest
      if (wanted === undefined) return Effect.map(send(own), written())
      const [algorithm, expected] = typeof wanted === "string" ? [wanted] : [wanted.algorithm, wanted]
      const where = { path: target.path, backend: driver.name, operation }
      if (own instanceof Uint8Array) {
        const digest = digestOf(algorithm, own)
        return Effect.zipRight(checkDigest(where, expected, digest), Effect.map(send(own), written(digest)))
      }
      return Effect.suspend(() => {
        let digest: Digest | undefined
        const digested = digestStream(algorithm, own, (actual) => {
          digest = actual
          return checkDigest(where, expected, actual)
        })
        return Effect.map(send(digested), (version) => written(digest)(version))
      })
    })
}

/** The bytes go through a queue to a `put` in a fiber of the scope: to interrupt that is to write nothing. */
const openWriter = (put: Put, path: string, options: WriteOptions | undefined, commits: boolean) =>
  Effect.gen(function*() {
    const queue = yield* Queue.bounded<Uint8Array | undefined>(pending)
    const pulled = yield* Deferred.make<void>()
    const take = Effect.flatMap(
      Queue.take(queue),
      (bytes) => bytes === undefined ? Effect.fail(Option.none<never>()) : Effect.succeed(bytes)
    )
    const body: Stream.Stream<Uint8Array> = Stream.repeatEffectOption(
      Effect.zipRight(Deferred.succeed(pulled, undefined), take)
    )
    const fiber = yield* Effect.forkScoped(put<never, never>(path, body, options))
    const send = (bytes: Uint8Array | undefined): Effect.Effect<void, E.StoreError> =>
      Effect.suspend(() =>
        fiber.unsafePoll() === null && Queue.unsafeOffer(queue, bytes)
          ? Effect.void
          : Effect.raceFirst(Queue.offer(queue, bytes), Fiber.join(fiber))
      )
    let ended = false
    const commit = Effect.suspend((): Effect.Effect<WriteResult, E.StoreError> => {
      if (ended) return Fiber.join(fiber)
      ended = true
      return Effect.zipRight(send(undefined), Fiber.join(fiber))
    })
    yield* Effect.addFinalizer((exit) =>
      Effect.asVoid<unknown, never, never>(
        commits && !ended && Exit.isSuccess(exit) ? Effect.orDie(commit) : Fiber.interrupt(fiber)
      )
    )
    yield* Effect.raceFirst(Deferred.await(pulled), Fiber.join(fiber))
    const writer: AtomicWriter = {
      write: (bytes) => ended ? Effect.dieMessage("written after the commit") : send(toBytes(bytes)),
      commit
    }
    return writer
  })
