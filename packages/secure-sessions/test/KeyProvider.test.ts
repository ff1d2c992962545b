import { describe, expect, it } from "@effect/vitest"
import { KeyProvider, SecureSessionsConfig } from "@sennit/secure-sessions"
import { ConfigProvider, Effect, Either, FastCheck as fc, Layer, Redacted } from "effect"
import { keyOf, keyring, using } from "./support.ts"

const cheap = { logN: 4, r: 8, p: 1 }
const owner = { app: "desk", user: "ada" }

const generate = Effect.gen(function*() {
  const provider = yield* KeyProvider.KeyProvider
  const { plaintext, wrapped } = yield* provider.generateDataKey(owner)
  const bytes = Redacted.value(plaintext)
  return { wrapped, bytes, context: { ...owner, ...KeyProvider.identify(bytes) } }
})

const unwrap = ({ context, wrapped }: Effect.Effect.Success<typeof generate>) =>
  Effect.flatMap(KeyProvider.KeyProvider, (provider) => Effect.map(provider.unwrap(wrapped, context), Redacted.value))

const passphrase = (text: string, cost: KeyProvider.ScryptCost = cheap) =>
  KeyProvider.layerPassphrase({ passphrase: Redacted.make(text), cost })

const reasonOf = <E extends { readonly reason: string }>(layer: Layer.Layer<KeyProvider.KeyProvider, E>) =>
  Effect.map(Effect.flip(Effect.scoped(Layer.build(layer))), ({ reason }) => reason)

const saltOf = ({ wrapped }: { readonly wrapped: KeyProvider.WrappedKey }) =>
  Buffer.from(wrapped.bytes).toString("hex", 5, 21)

const environment = (variables: Record<string, string>) =>
  Layer.provide(
    KeyProvider.layerConfig,
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
  )

describe("KeyProvider", () => {
  it.scoped("a key ring opens what any of its keys wrapped, and names what it lacks", () =>
    Effect.gen(function*() {
      const old = yield* using(KeyProvider.layerKeyring([{ id: "old", key: keyOf(1) }]))(generate)
      const both = KeyProvider.layerKeyring([{ id: "old", key: keyOf(1) }, { id: "new", key: keyOf(2), primary: true }])
      const fresh = yield* using(both)(generate)
      expect(fresh.wrapped.kekId).toBe("new")
      expect(yield* using(both)(unwrap(old))).toEqual(old.bytes)
      const missing = yield* Effect.flip(using(KeyProvider.layerKeyring([{ id: "old", key: keyOf(1) }]))(unwrap(fresh)))
      expect(missing).toMatchObject({ _tag: "KeyProviderError", reason: "KeyNotFound", retryable: false })
      const other = yield* Effect.flip(using(KeyProvider.layerKeyring([{ id: "old", key: keyOf(3) }]))(unwrap(old)))
      expect(other).toMatchObject({ _tag: "KeyProviderError", reason: "AuthenticationFailed" })
    }))

  it.effect("a key ring that cannot work is refused", () =>
    Effect.gen(function*() {
      const key = keyOf(1)
      const short = Redacted.make(new Uint8Array(31))
      expect(yield* reasonOf(KeyProvider.layerKeyring([{ id: "a", key: short }]))).toBe("InvalidKey")
      expect(yield* reasonOf(KeyProvider.layerKeyring([{ id: "", key }]))).toBe("InvalidKey")
      expect(yield* reasonOf(KeyProvider.layerKeyring([{ id: "a", key }, { id: "a", key }]))).toBe("DuplicateKey")
      expect(yield* reasonOf(KeyProvider.layerKeyring([{ id: "a", key }, { id: "b", key }]))).toBe("NoPrimaryKey")
      expect(yield* reasonOf(passphrase(""))).toBe("InvalidKey")
      expect(yield* reasonOf(passphrase("p", { ...cheap, logN: 21 }))).toBe("InvalidKey")
    }))

  it.scoped("a disabled key of a ring opens nothing and says so, and cannot be primary", () =>
    Effect.gen(function*() {
      const old = yield* using(KeyProvider.layerKeyring([{ id: "old", key: keyOf(1) }]))(generate)
      const ring = KeyProvider.layerKeyring([
        { id: "old", key: keyOf(1), disabled: true },
        { id: "new", key: keyOf(2), primary: true }
      ])
      expect(yield* Effect.flip(using(ring)(unwrap(old)))).toMatchObject({ reason: "KeyDisabled", retryable: false })
      const alone = KeyProvider.layerKeyring([{ id: "old", key: keyOf(1), disabled: true }])
      expect(yield* reasonOf(alone)).toBe("NoPrimaryKey")
    }))

  it.scoped("a succession opens what any of its providers wrapped and wraps by the first", () =>
    Effect.gen(function*() {
      const [first, second] = [passphrase("first"), passphrase("second")]
      const old = yield* using(first)(generate)
      const succession = KeyProvider.layerSuccession(second, [keyring(7), first])
      const moved = yield* using(succession)(Effect.gen(function*() {
        expect(yield* unwrap(old)).toEqual(old.bytes)
        const provider = yield* KeyProvider.KeyProvider
        const wrapped = yield* provider.rewrap(old.wrapped, old.context)
        expect(wrapped.kekId).toBe((yield* provider.primary).id)
        expect(wrapped.kekId).not.toBe(old.wrapped.kekId)
        return { ...old, wrapped }
      }))
      expect(yield* using(second)(unwrap(moved))).toEqual(old.bytes)
      expect(yield* Effect.flip(using(first)(unwrap(moved)))).toMatchObject({ reason: "AuthenticationFailed" })
      const stranger = yield* using(passphrase("third"))(generate)
      expect(yield* Effect.flip(using(succession)(unwrap(stranger)))).toMatchObject({ reason: "AuthenticationFailed" })
    }))

  it.scoped("the name of a passphrase's key changes with cost and salt, and not with the process", () =>
    Effect.gen(function*() {
      const primary = Effect.flatMap(KeyProvider.KeyProvider, (provider) => provider.primary)
      const made = yield* using(passphrase("p"))(generate)
      const again = yield* using(passphrase("p"))(Effect.zipRight(unwrap(made), primary))
      expect(again.id).toBe(made.wrapped.kekId)
      const raised = yield* using(passphrase("p", { ...cheap, logN: 5 }))(Effect.zipRight(unwrap(made), primary))
      expect(raised.id).not.toBe(made.wrapped.kekId)
    }))

  it.scoped("two generated keys differ and have 32 bytes", () =>
    Effect.gen(function*() {
      const keys = yield* Effect.all([KeyProvider.generateKey, KeyProvider.generateKey])
      const [first, second] = keys.map((key) => Buffer.from(Redacted.value(key)).toString("hex"))
      expect(first).toHaveLength(64)
      expect(first).not.toBe(second)
      expect(String(keys[0])).not.toContain(first)
    }))

  it.scoped("a provider in memory opens what it wrapped, and another one does not", () =>
    Effect.gen(function*() {
      const memory = yield* Layer.build(Layer.fresh(KeyProvider.layerMemory))
      const made = yield* Effect.provide(generate, memory)
      expect(yield* Effect.provide(unwrap(made), memory)).toEqual(made.bytes)
      const wrong = yield* Effect.flip(using(Layer.fresh(KeyProvider.layerMemory))(unwrap(made)))
      expect(wrong).toMatchObject({ _tag: "KeyProviderError", reason: "AuthenticationFailed" })
    }))

  it.scoped("a passphrase opens in another process what it wrapped, whatever form its letters have", () =>
    Effect.gen(function*() {
      const made = yield* using(passphrase("cafe\u0301"))(generate)
      expect(yield* using(passphrase("caf\u00e9"))(unwrap(made))).toEqual(made.bytes)
      const wrong = yield* Effect.flip(using(passphrase("cafe"))(unwrap(made)))
      expect(wrong).toMatchObject({ _tag: "KeyProviderError", reason: "AuthenticationFailed" })
    }))

  it.scoped("two installations have different salts; one goes on with the salt it meets first", () =>
    Effect.gen(function*() {
      const first = yield* using(passphrase("p"))(generate)
      const second = yield* using(passphrase("p"))(generate)
      expect(saltOf(first)).not.toBe(saltOf(second))
      const third = yield* using(passphrase("p"))(Effect.zipRight(unwrap(first), generate))
      expect(saltOf(third)).toBe(saltOf(first))
    }))

  it.scoped("a raised cost is used for new keys and leaves old ones readable", () =>
    Effect.gen(function*() {
      const old = yield* using(passphrase("p"))(generate)
      const raised = passphrase("p", { logN: 5, r: 8, p: 2 })
      const [bytes, fresh] = yield* using(raised)(Effect.all([unwrap(old), generate]))
      expect(bytes).toEqual(old.bytes)
      expect(Array.from(fresh.wrapped.bytes.subarray(0, 5))).toEqual([1, 1, 5, 8, 2])
    }))

  it.scoped("a cost that was altered to exhaust memory is refused before any work", () =>
    Effect.gen(function*() {
      const made = yield* using(passphrase("p"))(generate)
      const altered = Uint8Array.from(made.wrapped.bytes)
      altered[2] = 31
      const error = yield* Effect.flip(
        using(passphrase("p"))(unwrap({ ...made, wrapped: { ...made.wrapped, bytes: altered } }))
      )
      expect(error).toMatchObject({ _tag: "KeyProviderError", reason: "Malformed" })
    }))

  it.scoped("what a key ring wrapped is not taken for a passphrase's, nor the other way round", () =>
    Effect.gen(function*() {
      const ring = yield* using(keyring())(generate)
      const phrase = yield* using(passphrase("p"))(generate)
      expect(yield* Effect.flip(using(passphrase("p"))(unwrap(ring)))).toMatchObject({ reason: "Malformed" })
      expect(yield* Effect.flip(using(keyring())(unwrap(phrase)))).toMatchObject({ reason: "KeyNotFound" })
    }))

  it.scoped("the environment gives a key in hex or base64, or a passphrase, and not both", () =>
    Effect.gen(function*() {
      const bytes = new Uint8Array(32).map((_, at) => at * 7)
      const hex = environment({ [SecureSessionsConfig.keyName]: Buffer.from(bytes).toString("hex") })
      const made = yield* using(hex)(generate)
      for (const encoding of ["base64", "base64url"] as const) {
        const layer = environment({ [SecureSessionsConfig.keyName]: Buffer.from(bytes).toString(encoding) })
        expect(yield* using(layer)(unwrap(made))).toEqual(made.bytes)
      }
      const neither = yield* Effect.flip(Effect.scoped(Layer.build(environment({}))))
      expect(neither).toMatchObject({ _tag: "ConfigurationError", reason: "MissingKey" })
      const both = environment({ SENNIT_KEY: "00".repeat(32), SENNIT_PASSPHRASE: "p" })
      expect(yield* Effect.flip(Effect.scoped(Layer.build(both)))).toMatchObject({ reason: "MissingKey" })
      const bad = yield* Effect.flip(Effect.scoped(Layer.build(environment({ SENNIT_KEY: "hunter2" }))))
      expect(String(bad)).not.toContain("hunter2")
    }))

  it.prop(
    "a key is read from hex and base64 alone",
    [fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.string()],
    ([key, text]) => {
      const bytes = Buffer.from(key)
      for (const written of [bytes.toString("hex"), bytes.toString("base64"), ` ${bytes.toString("base64url")}\n`]) {
        expect(Either.map(SecureSessionsConfig.parseKey(written), (read) => bytes.equals(read))).toEqual(
          Either.right(true)
        )
      }
      if (!/^[\w+/=-]{43,64}$/.test(text.trim())) expect(Either.isLeft(SecureSessionsConfig.parseKey(text))).toBe(true)
    }
  )
})
