// @effect-diagnostics nodeBuiltinImport:off - AES and HKDF are node:crypto's
/**
 * Encryption at rest. Every scope has a random key of its own, which a `Cipher` wraps: with one, whatever a person said
 * lies in the database as ciphertext that opens only in its place. README, "Encryption at rest", says what stays visible.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes } from "node:crypto"
import type { KeyObject } from "node:crypto"
import { CipherError } from "./MemoryVaultError.ts"

/**
 * Whose key it is. A wrapped key opens for its owner only. All three are empty for the key by which a vault recognises
 * its master key.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyOwner {
  /** Empty where the scope has none. */
  readonly tenant: string
  readonly user: string
  /** Empty where the scope has none. */
  readonly agent: string
}

/**
 * Wraps and unwraps the keys of scopes; it never sees a memory. A key management service is another implementation. An
 * answer that takes longer than 30 seconds is given up.
 *
 * @since 0.1.0
 * @category models
 */
export interface CipherService {
  /** Bytes that say by themselves which master key wrapped them, bound to the owner. */
  readonly wrap: (
    dataKey: Redacted.Redacted<Uint8Array>,
    owner: KeyOwner
  ) => Effect.Effect<Uint8Array, CipherError>
  /** Fails unless master key and owner are those of the wrapping. The bytes belong to the caller, who overwrites them. */
  readonly unwrap: (
    wrapped: Uint8Array,
    owner: KeyOwner
  ) => Effect.Effect<Redacted.Redacted<Uint8Array>, CipherError>
  /** Whether the master key that wraps today wrapped these; if not, `MemoryVault.rewrapKeys` wraps them anew. */
  readonly isCurrent: (wrapped: Uint8Array) => Effect.Effect<boolean, CipherError>
}

/**
 * The cipher in force; none by default, and everything is stored in clear.
 *
 * @since 0.1.0
 * @category references
 */
export class Cipher extends Context.Reference<Cipher>()("@sennit/memory-vault/Cipher", {
  defaultValue: (): Option.Option<CipherService> => Option.none()
}) {}

/**
 * Your own cipher; provide it to a vault's layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (cipher: CipherService): Layer.Layer<never> => Layer.succeed(Cipher, Option.some(cipher))

/**
 * Content in clear, as without any cipher.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerNone: Layer.Layer<never> = Layer.succeed(Cipher, Option.none())

/**
 * Master keys of 32 random bytes each.
 *
 * @since 0.1.0
 * @category models
 */
export interface AesGcmOptions {
  /** Wraps new keys. */
  readonly key: Redacted.Redacted<Uint8Array>
  /** Unwrap only, until `MemoryVault.rewrapKeys` has run. Default none. */
  readonly previous?: ReadonlyArray<Redacted.Redacted<Uint8Array>> | undefined
}

/** `01 | id of the master key 8 | nonce 12 | ciphertext 32 | tag 16` */
const format = 1
const idLength = 8
const nonceLength = 12
const keyLength = 32
const nonceAt = 1 + idLength
const cipherAt = nonceAt + nonceLength
const tagAt = cipherAt + keyLength
const wrappedLength = tagAt + 16
const algorithm = "aes-256-gcm"

interface MasterKey {
  readonly id: Buffer
  readonly key: KeyObject
}

const readMasterKey = (secret: Redacted.Redacted<Uint8Array>): Effect.Effect<MasterKey, CipherError> => {
  const bytes = Redacted.value(secret)
  if (bytes.length !== keyLength) return Effect.fail(new CipherError({ reason: "invalid-key" }))
  // The id is public; the key that wraps is derived apart from it.
  const derive = (info: string, length: number) => Buffer.from(hkdfSync("sha256", bytes, "", info, length))
  return Effect.sync(() => {
    const wrapping = derive("sennit memory key wrap", keyLength)
    const key = createSecretKey(wrapping)
    wrapping.fill(0)
    return { id: derive("sennit memory key id", idLength), key }
  })
}

const ownerBytes = (wrapped: Uint8Array, { agent, tenant, user }: KeyOwner): Buffer =>
  Buffer.concat([wrapped.subarray(0, nonceAt), Buffer.from(JSON.stringify([tenant, user, agent]))])

const wrapBy = ({ id, key }: MasterKey, dataKey: Uint8Array, owner: KeyOwner): Uint8Array => {
  const head = Buffer.concat([Uint8Array.of(format), id, randomBytes(nonceLength)])
  const cipher = createCipheriv(algorithm, key, head.subarray(nonceAt))
  cipher.setAAD(ownerBytes(head, owner))
  return Buffer.concat([head, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])
}

const unwrapBy = ({ key }: MasterKey, wrapped: Uint8Array, owner: KeyOwner): Uint8Array => {
  const decipher = createDecipheriv(algorithm, key, wrapped.subarray(nonceAt, cipherAt), { authTagLength: 16 })
  decipher.setAAD(ownerBytes(wrapped, owner))
  decipher.setAuthTag(wrapped.subarray(tagAt))
  const dataKey = decipher.update(wrapped.subarray(cipherAt, tagAt))
  decipher.final()
  return dataKey
}

const isWrapped = (wrapped: Uint8Array): boolean => wrapped.length === wrappedLength && wrapped[0] === format

/**
 * Wraps by AES-256-GCM under master keys of your own. Fails with `invalid-key` where one has another length.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeAesGcm = (options: AesGcmOptions): Effect.Effect<CipherService, CipherError> =>
  Effect.gen(function*() {
    const current = yield* readMasterKey(options.key)
    const all = [current, ...(yield* Effect.forEach(options.previous ?? [], readMasterKey))]
    const keyOf = (wrapped: Uint8Array) => all.find(({ id }) => id.equals(wrapped.subarray(1, nonceAt)))
    return {
      wrap: (dataKey, owner) => Effect.sync(() => wrapBy(current, Redacted.value(dataKey), owner)),
      unwrap: (wrapped, owner) =>
        Effect.suspend(() => {
          if (!isWrapped(wrapped)) return Effect.fail(new CipherError({ reason: "malformed" }))
          const master = keyOf(wrapped)
          return master === undefined ? Effect.fail(new CipherError({ reason: "wrong-key" })) : Effect.try({
            try: () => Redacted.make(unwrapBy(master, wrapped, owner)),
            catch: () => new CipherError({ reason: "tampered" })
          })
        }),
      isCurrent: (wrapped) => Effect.sync(() => isWrapped(wrapped) && keyOf(wrapped) === current)
    }
  })

/**
 * `makeAesGcm` as the cipher of a vault.
 *
 * @example
 * ```ts
 * import { Cipher, MemoryVault } from "@sennit/memory-vault"
 * import { Layer, Redacted } from "effect"
 *
 * export const sealed = (masterKey: Redacted.Redacted<Uint8Array>) =>
 *   MemoryVault.layerSqlite({ filename: "memory.db" }).pipe(
 *     Layer.provide(Cipher.layerAesGcm({ key: masterKey }))
 *   )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerAesGcm = (options: AesGcmOptions): Layer.Layer<never, CipherError> =>
  Layer.effect(Cipher, Effect.map(makeAesGcm(options), Option.some))
