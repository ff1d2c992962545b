import { describe, expect, it } from "@effect/vitest"
import { KeyProvider, SecureSessions, Suite } from "@sennit/secure-sessions"
import { keyProviderContract, sessionServiceContract, suiteContract } from "@sennit/secure-sessions/testing"
import { Effect, Exit, Redacted } from "effect"
import { describeDatabases } from "../databases.ts"
import { keyOf, keyring, using } from "../support.ts"

const cheap = { logN: 4, r: 8, p: 1 }

const providers = {
  "a key ring": keyring(),
  "a key in memory": KeyProvider.layerMemory,
  "a key ring of several keys": KeyProvider.layerKeyring([
    { id: "old", key: keyOf(1) },
    { id: "new", key: keyOf(2), primary: true }
  ]),
  "a passphrase": KeyProvider.layerPassphrase({ passphrase: Redacted.make("open sesame"), cost: cheap }),
  "a succession": KeyProvider.layerSuccession(keyring(3), [keyring(4)])
}

for (const [name, provider] of Object.entries(providers)) {
  describe(`key provider contract: ${name}`, () => {
    for (const { name: promise, run } of keyProviderContract) {
      it.scoped(promise, () => using(provider)(run))
    }
  })
}

for (const suite of Suite.builtIn) {
  describe("suite contract", () => {
    for (const { name, run } of suiteContract(suite)) it.effect(name, () => run)
  })
}

const services = { "memory": SecureSessions.layerMemory }

for (const [name, service] of Object.entries(services)) {
  describe(`session service contract: ${name}`, () => {
    for (const { name: promise, run } of sessionServiceContract) {
      it.scoped(promise, () => using(service)(run))
    }
  })
}

describeDatabases("session service contract", (database) => {
  for (const { name: promise, run } of sessionServiceContract) {
    it.scoped(promise, () => using(database.layer)(run))
  }
})

const bits = (part: string) => `every flipped bit of the ${part} is refused`

describe("contracts", () => {
  it.effect("a suite that leaves out its additional data, or its tag, is found out", () =>
    Effect.gen(function*() {
      const real = Suite.aes256Gcm
      const none = new Uint8Array(0)
      const unbound: Suite.Suite = {
        ...real,
        seal: (key, nonce, _, plaintext) => real.seal(key, nonce, none, plaintext),
        open: (key, nonce, _, ciphertext, tag) => real.open(key, nonce, none, ciphertext, tag)
      }
      const unchecked: Suite.Suite = {
        ...real,
        open: (key, nonce, aad, ciphertext) => {
          const mask = real.seal(key, nonce, aad, new Uint8Array(ciphertext.length)).ciphertext
          return ciphertext.map((byte, at) => byte ^ mask[at]!)
        }
      }
      const broken = (suite: Suite.Suite) =>
        Effect.map(
          Effect.forEach(suiteContract(suite), ({ name, run }) =>
            Effect.map(Effect.exit(run), (exit) => ({ exit, name }))),
          (all) =>
            all.filter(({ exit }) => Exit.isFailure(exit)).map(({ name }) => name.slice(real.name.length + 2))
        )
      const cuts = "a shorter tag, a shorter ciphertext and other additional data are refused"
      expect(yield* broken(real)).toEqual([])
      expect(yield* broken(unbound)).toEqual([bits("aad"), cuts])
      expect(yield* broken(unchecked)).toEqual([...["key", "nonce", "aad", "ciphertext", "tag"].map(bits), cuts])
    }))

  it.effect("a provider that ignores its context is found out", () =>
    Effect.gen(function*() {
      const key = new Uint8Array(32).fill(7)
      const careless = KeyProvider.KeyProvider.of({
        id: "careless",
        primary: Effect.succeed({ id: "k" }),
        generateDataKey: () =>
          Effect.succeed({ plaintext: Redacted.make(key), wrapped: { kekId: "k", bytes: Uint8Array.of(1, 2, 3) } }),
        wrap: () => Effect.succeed({ kekId: "k", bytes: Uint8Array.of(1, 2, 3) }),
        unwrap: () => Effect.succeed(Redacted.make(key)),
        rewrap: Effect.succeed
      })
      const exits = yield* Effect.forEach(keyProviderContract, ({ run }) =>
        Effect.exit(Effect.provideService(run, KeyProvider.KeyProvider, careless)))
      expect(exits.filter(Exit.isFailure).length).toBe(keyProviderContract.length - 2)
    }))
})
