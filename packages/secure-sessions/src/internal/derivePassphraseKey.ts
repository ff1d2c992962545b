// @effect-diagnostics nodeBuiltinImport:off - scrypt is node:crypto's and runs on its thread pool
/**
 * Keys derived from one passphrase, one per salt and cost. Wrapped keys lead with `01 01 logN r p salt(16)`.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { scrypt } from "node:crypto"
import type { ScryptCost } from "../KeyProvider.ts"
import { ConfigurationError, KeyProviderError } from "../SecureSessionsError.ts"
import { hex, random } from "./deriveKey.ts"
import { makeFlights } from "./shareFlight.ts"

const saltAt = 5
const prefixLength = saltAt + 16
/** Salts that one process keeps derived; a data folder normally has one. */
const maxSalts = 64

interface DerivedKey {
  readonly kekId: string
  readonly prefix: Uint8Array
  readonly key: Uint8Array
}

const isWithin = (value: number, max: number) => Number.isInteger(value) && value >= 1 && value <= max

/** Cost is read from stored bytes, so it is bounded before any work is done. */
const isSane = ({ logN, p, r }: ScryptCost) => isWithin(logN, 20) && isWithin(r, 32) && isWithin(p, 16)

const failure = (reason: "Malformed" | "Unavailable", cause?: unknown) =>
  new KeyProviderError({
    provider: "passphrase",
    operation: "unwrap",
    reason,
    retryable: reason === "Unavailable",
    ...(cause === undefined ? {} : { cause })
  })

const runScrypt = (
  passphrase: Redacted.Redacted,
  prefix: Uint8Array,
  cost: ScryptCost
): Effect.Effect<DerivedKey, KeyProviderError> =>
  Effect.async((resume) => {
    const N = 2 ** cost.logN
    const options = { N, r: cost.r, p: cost.p, maxmem: 256 * N * cost.r + 1024 * cost.p * cost.r }
    scrypt(Redacted.value(passphrase).normalize("NFKC"), prefix.subarray(saltAt), 32, options, (error, key) => {
      resume(
        error === null
          ? Effect.succeed({ kekId: nameOf(prefix), prefix, key })
          : Effect.fail(failure("Unavailable", error))
      )
    })
  })

/** Names cost and salt, so that a rotation finds what was wrapped at another cost or under another passphrase. */
const nameOf = (prefix: Uint8Array): string =>
  `scrypt-${prefix.subarray(2, saltAt).join("-")}-${hex(prefix.subarray(saltAt, saltAt + 8))}`

const isAt = (prefix: Uint8Array, { logN, p, r }: ScryptCost) =>
  prefix[2] === logN && prefix[3] === r && prefix[4] === p

const newPrefix = (cost: ScryptCost): Uint8Array =>
  Buffer.concat([Uint8Array.of(1, 1, cost.logN, cost.r, cost.p), random(16)])

/** @internal */
export const makePassphraseKeys = Effect.fnUntraced(function*(passphrase: Redacted.Redacted, cost: ScryptCost) {
  if (Redacted.value(passphrase) === "") {
    return yield* new ConfigurationError({ reason: "InvalidKey", detail: "the passphrase is empty" })
  }
  if (!isSane(cost)) {
    return yield* new ConfigurationError({ reason: "InvalidKey", detail: "scrypt cost is out of range" })
  }
  const derived = new Map<string, DerivedKey>()
  const share = makeFlights<DerivedKey, KeyProviderError>(yield* Effect.scope)
  yield* Effect.addFinalizer(() => Effect.sync(() => derived.forEach(({ key }) => key.fill(0))))
  let own: Uint8Array | undefined

  const remember = (name: string, key: DerivedKey) => {
    const oldest = derived.size >= maxSalts ? derived.keys().next().value : undefined
    if (oldest !== undefined) derived.delete(oldest)
    derived.set(name, key)
  }

  const keyOf = (prefix: Uint8Array, work: ScryptCost) =>
    Effect.suspend(() => {
      const name = hex(prefix)
      const known = derived.get(name)
      if (known !== undefined) return Effect.succeed(known)
      return share(name, Effect.tap(runScrypt(passphrase, Uint8Array.from(prefix), work), (key) => remember(name, key)))
    })

  const ownPrefix = Effect.sync(() => own ??= newPrefix(cost))

  return {
    primary: Effect.map(ownPrefix, (prefix) => ({ id: nameOf(prefix) })),
    /** New keys use the salt of what this passphrase already opened at the configured cost, else a new one. */
    current: Effect.flatMap(ownPrefix, (prefix) => keyOf(prefix, cost)),
    opened: (prefix: Uint8Array): void => {
      if (own === undefined && isAt(prefix, cost)) own = Uint8Array.from(prefix)
    },
    find: (_kekId: string, prefix: Uint8Array): Effect.Effect<Uint8Array, KeyProviderError> => {
      const [version, kdf, logN = 0, r = 0, p = 0] = prefix
      const stored = { logN, r, p }
      if (prefix.length !== prefixLength || version !== 1 || kdf !== 1 || !isSane(stored)) {
        return Effect.fail(failure("Malformed"))
      }
      return Effect.map(keyOf(prefix, stored), ({ key }) => key)
    }
  }
})
