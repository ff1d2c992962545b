import { describe, expect, it } from "@effect/vitest"
import { KeyProvider, SecureSessions } from "@sennit/secure-sessions"
import { keyProviderContract, sessionServiceContract } from "@sennit/secure-sessions/testing"
import { Effect, Exit, Redacted } from "effect"
import { describeDatabases } from "../databases.ts"
import { keyOf, keyring, using } from "../support.ts"

const cheap = { logN: 4, r: 8, p: 1 }

const providers = {
  "a key ring": keyring(),
  "a key ring of several keys": KeyProvider.layerKeyring([
    { id: "old", key: keyOf(1) },
    { id: "new", key: keyOf(2), primary: true }
  ]),
  "a passphrase": KeyProvider.layerPassphrase({ passphrase: Redacted.make("open sesame"), cost: cheap })
}

for (const [name, provider] of Object.entries(providers)) {
  describe(`key provider contract: ${name}`, () => {
    for (const { name: promise, run } of keyProviderContract) {
      it.scoped(promise, () => using(provider)(run))
    }
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

describe("contracts", () => {
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
