// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off - a benchmark drives node:crypto and promises itself
/**
 * Workloads of secure-sessions. Every sample checks what it measured: an envelope that does not open voids the row.
 */
import { Encryption, KeyProvider, SecureSessions, Session, SessionService, Suite } from "@sennit/secure-sessions"
import { Effect, Layer, ManagedRuntime, Option, Redacted, Schema } from "effect"
import { createCipheriv, randomBytes, randomFillSync } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import path from "node:path"
import { adk } from "./adk.ts"
import { rotation } from "./rotation.ts"
import { storage } from "./storage.ts"

export interface Sample {
  readonly value: number
  readonly cpuMs: number
}

export interface Workload {
  readonly id: string
  readonly unit: string
  readonly peerName: string
  readonly better: "lower" | "higher"
  readonly target: number
  /** Rounds of each side at least; five when it does not say. */
  readonly rounds?: number | undefined
  readonly open: () => Promise<{
    readonly ours: () => Promise<Sample>
    readonly peer: () => Promise<Sample>
    readonly close: () => Promise<void>
  }>
}

/** Microseconds for each of `count` operations. */
const measure = async (count: number, run: () => void | Promise<void>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const start = process.hrtime.bigint()
  await run()
  const value = Number(process.hrtime.bigint() - start) / 1000 / count
  const { system, user } = process.cpuUsage(cpu)
  return { value, cpuMs: (system + user) / 1000 }
}

const owner = { app: "bench", user: "ada" }
const place = { session: "s", table: "t", column: "c", id: "i", sequence: 1 }

const check = (holds: boolean, what: string) => {
  if (!holds) throw new Error(`wrong result: ${what}`)
}

/** What a careful user of node:crypto does as well: random bytes for many nonces at a time. */
const pooledNonces = () => {
  const pool = Buffer.alloc(12_288)
  let at = pool.length
  return () => {
    if (at === pool.length) {
      randomFillSync(pool)
      at = 0
    }
    at += 12
    return pool.subarray(at - 12, at)
  }
}

const openMemory = async () => {
  const runtime = ManagedRuntime.make(SecureSessions.layerMemory)
  return { runtime, encryption: await runtime.runPromise(Encryption.Encryption) }
}

/** One storable record: ours with data key, place and header, the peer with nonce, ciphertext and tag alone. */
const sealRow = (label: string, size: number, target: number, count: number): Workload => ({
  id: `seal.${label}`,
  unit: "µs/seal",
  peerName: "node:crypto createCipheriv",
  better: "lower",
  target,
  open: async () => {
    const { encryption, runtime } = await openMemory()
    const plaintext = randomBytes(size)
    const key = randomBytes(32)
    const drawNonce = pooledNonces()
    const sealMany = Effect.repeatN(encryption.seal(owner, place, plaintext), count - 1)
    return {
      ours: async () => {
        const sample = await measure(count, () => runtime.runPromise(Effect.asVoid(sealMany)))
        const envelope = await runtime.runPromise(encryption.seal(owner, place, plaintext))
        const opened = await runtime.runPromise(encryption.open(owner, place, envelope))
        check(plaintext.equals(opened), "an envelope does not open")
        return sample
      },
      peer: () =>
        measure(count, () => {
          for (let index = 0; index < count; index++) {
            const nonce = drawNonce()
            const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 })
            const parts = [nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]
            check(Buffer.concat(parts).length === size + 28, "length")
          }
        }),
      close: () => runtime.dispose()
    }
  }
})

interface Iron {
  readonly seal: (value: unknown, password: string, options: unknown) => Promise<string>
  readonly unseal: (sealed: string, password: string, options: unknown) => Promise<unknown>
  readonly defaults: unknown
}

const isIron = (module: object): module is Iron => "seal" in module && "unseal" in module && "defaults" in module

const loadIron = async (): Promise<Iron> => {
  const name: string = "iron-webcrypto"
  const module: object = await import(name)
  if (!isIron(module)) throw new Error("iron-webcrypto has another shape than this benchmark knows")
  return module
}

const Value = Schema.Struct({ text: Schema.String })

const ironRow: Workload = {
  id: "seal-json.1k",
  unit: "µs/seal",
  peerName: "iron-webcrypto 2.0.0",
  better: "lower",
  target: 0.1,
  open: async () => {
    const { encryption, runtime } = await openMemory()
    const iron = await loadIron()
    const password = randomBytes(32).toString("hex")
    const value = { text: "x".repeat(1024) }
    const count = 500
    const sealMany = Effect.repeatN(encryption.sealJson(Value)(owner, place, value), count - 1)
    return {
      ours: () => measure(count, () => runtime.runPromise(Effect.asVoid(sealMany))),
      peer: async () => {
        let last = ""
        const sample = await measure(count, async () => {
          for (let index = 0; index < count; index++) last = await iron.seal(value, password, iron.defaults)
        })
        check(JSON.stringify(await iron.unseal(last, password, iron.defaults)) === JSON.stringify(value), "iron")
        return sample
      },
      close: () => runtime.dispose()
    }
  }
}

/** Copies instead of encrypting, with an empty tag: what the service costs without cryptography. */
const plaintextSuite: Suite.Suite = {
  id: 255,
  name: "plaintext",
  keyLength: 32,
  nonceLength: 12,
  seal: (_key, _nonce, _aad, plaintext) => ({ ciphertext: plaintext, tag: new Uint8Array(16) }),
  open: (_key, _nonce, _aad, ciphertext) => ciphertext
}

const app = Session.AppName.make("bench")
const user = Session.UserId.make("ada")

/** A service of one suite on a file of its own, and a function that appends so many events to a new session. */
const openService = async (folder: string, suite: Suite.Suite, body: string, count: number) => {
  const keys = KeyProvider.layerKeyring([{ id: "bench", key: Redacted.make<Uint8Array>(randomBytes(32)) }])
  const filename = path.join(folder, `${suite.id}.db`)
  const layer = SecureSessions.layerSqlite({ filename, synchronous: "NORMAL" }).pipe(
    Layer.provide(keys),
    Layer.provide(Suite.layer([suite]))
  )
  const runtime = ManagedRuntime.make(layer)
  const sessions = await runtime.runPromise(SessionService.SessionService)
  const create = sessions.create({ app, user })
  const appendAll = (session: Session.Session) =>
    Effect.iterate(session, {
      while: ({ revision }) => revision < count,
      body: (current) => sessions.append(current, { author: "ada", body }, { stateDelta: { at: current.revision } })
    })
  const append = async () => {
    const session = await runtime.runPromise(create)
    const sample = await measure(count, () => runtime.runPromise(Effect.asVoid(appendAll(session))))
    const stored = Option.getOrThrow(await runtime.runPromise(sessions.get(session.ref)))
    check(stored.revision === count && stored.events.every((event) => event.body === body), "appended events")
    return sample
  }
  return { append, close: () => runtime.dispose() }
}

const appendRow = (label: string, size: number): Workload => ({
  id: `append.sqlite.${label}`,
  unit: "µs/append",
  peerName: "the same service without encryption",
  better: "lower",
  target: 1.08,
  // the sides differ by a few percent, less than the journal's checkpoints make one round differ from the next
  rounds: 25,
  open: async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sennit-bench-"))
    const body = "x".repeat(size)
    const encrypted = await openService(folder, Suite.aes256Gcm, body, 400)
    const plain = await openService(folder, plaintextSuite, body, 400)
    return {
      ours: encrypted.append,
      peer: plain.append,
      close: async () => {
        await encrypted.close()
        await plain.close()
        await rm(folder, { recursive: true })
      }
    }
  }
})

const workloads: ReadonlyArray<Workload> = [
  // so many that the collector comes several times in a sample: what one side leaves must not be swept by the other
  sealRow("1k", 1024, 2, 40_000),
  sealRow("10k", 10_240, 1.4, 10_000),
  sealRow("100k", 102_400, 1.15, 2500),
  sealRow("1m", 1_048_576, 1.15, 250),
  ironRow,
  appendRow("1k", 1024),
  appendRow("10k", 10_240),
  ...storage,
  ...adk,
  ...rotation
]

export default workloads
