// @effect-diagnostics nodeBuiltinImport:off node:crypto hashes at the speed of the machine
/** Digests of bytes that pass by. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import type { Digest, DigestAlgorithm } from "../Entry.ts"
import * as E from "../StoreError.ts"

interface Where {
  readonly path: string
  readonly backend: string
  readonly operation: string
}

const show = ({ algorithm, hex }: Digest): string => `${algorithm}:${hex.toLowerCase()}`

/** @internal */
export const startDigest = (algorithm: DigestAlgorithm): ReturnType<typeof createHash> => createHash(algorithm)

/** @internal */
export const digestOf = (algorithm: DigestAlgorithm, bytes: Uint8Array): Digest => ({
  algorithm,
  hex: createHash(algorithm).update(bytes).digest("hex")
})

/** @internal */
export const checkDigest = (
  where: Where,
  expected: Digest | undefined,
  actual: Digest
): Effect.Effect<void, E.IntegrityMismatch> =>
  expected === undefined || show(expected) === show(actual)
    ? Effect.void
    : new E.IntegrityMismatch({ ...where, expected: show(expected), actual: show(actual) })

/** @internal The same bytes; at their end `settle` gets their digest and may refuse it. */
export const digestStream = <X, R, Y>(
  algorithm: DigestAlgorithm,
  body: Stream.Stream<Uint8Array, X, R>,
  settle: (actual: Digest) => Effect.Effect<void, Y>
): Stream.Stream<Uint8Array, X | Y, R> =>
  Stream.suspend(() => {
    const hash = startDigest(algorithm)
    const hashed = Stream.map(body, (bytes) => {
      hash.update(bytes)
      return bytes
    })
    return Stream.concat(
      hashed,
      Stream.execute(Effect.suspend(() => settle({ algorithm, hex: hash.digest("hex") })))
    )
  })
