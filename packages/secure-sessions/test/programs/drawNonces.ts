// @effect-diagnostics processEnv:off - a program of its own, run as another process by the tests
/** `drawNonces.ts <count>`: seals so many empty records and writes their nonces, 12 bytes each. */
import { Encryption, SecureSessions } from "@sennit/secure-sessions"
import { Effect, ManagedRuntime } from "effect"

const count = Number(process.argv[2])
const records = Array.from({ length: 1000 }, () => ({
  place: { table: "t", column: "c" },
  plaintext: new Uint8Array(0)
}))

const program = Effect.gen(function*() {
  const encryption = yield* Encryption.Encryption
  for (let drawn = 0; drawn < count; drawn += records.length) {
    const envelopes = yield* encryption.sealAll({ app: "desk", user: "ada" }, records)
    const nonces = Buffer.concat(envelopes.map((envelope) => envelope.subarray(21, 33)))
    yield* Effect.async<void>((resume) => {
      process.stdout.write(nonces, () => resume(Effect.void))
    })
  }
})

const runtime = ManagedRuntime.make(SecureSessions.layerMemory)
await runtime.runPromise(program)
await runtime.dispose()
