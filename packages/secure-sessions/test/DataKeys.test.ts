import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { DataKeys, Encryption, KeyProvider, SecureSessionsError, SessionService } from "@sennit/secure-sessions"
import { makeFaultKeyProvider } from "@sennit/secure-sessions/testing"
import { Deferred, Effect, Either, Exit, Fiber, Layer, Option, Redacted, Ref, Scope, TestClock } from "effect"
import { ada, app, eve, filesOf, keyOf, keyring, openFile, say, temporaryFile, using } from "./support.ts"

const owner = { app: "desk", user: "ada" }
const database = SqliteClient.layer({ filename: ":memory:" })

/** A provider that counts and shows the bytes that it gave away. */
const makeSpy = Effect.gen(function*() {
  const real = yield* using(keyring())(KeyProvider.KeyProvider)
  const given: Array<Uint8Array> = []
  const show = <E>(key: Effect.Effect<Redacted.Redacted<Uint8Array>, E>) =>
    Effect.tap(key, (secret) => given.push(Redacted.value(secret)))
  const counts = { generated: 0, unwrapped: 0 }
  const gate = yield* Ref.make<Effect.Effect<void>>(Effect.void)
  const spy = KeyProvider.KeyProvider.of({
    ...real,
    generateDataKey: (scope) =>
      Effect.tap(real.generateDataKey(scope), ({ plaintext }) => {
        counts.generated++
        given.push(Redacted.value(plaintext))
      }),
    unwrap: (wrapped, context) =>
      Effect.suspend(() => {
        counts.unwrapped++
        return Effect.zipRight(Effect.flatten(Ref.get(gate)), show(real.unwrap(wrapped, context)))
      })
  })
  return { counts, gate, given, layer: Layer.succeed(KeyProvider.KeyProvider, spy) }
})

const keyIdOf = (scope: { readonly app: string; readonly user: string }) =>
  Effect.flatMap(DataKeys.DataKeys, (keys) => keys.use(scope, 1, ({ name }) => Either.right(name)))

const isWiped = (bytes: Uint8Array) => bytes.every((byte) => byte === 0)

const spend = (seals: number) =>
  Effect.flatMap(DataKeys.DataKeys, (keys) => keys.use(owner, seals, () => Either.right(seals)))

describe("DataKeys", () => {
  it.scoped("each app and user has one key, and it stays the same", () =>
    using(DataKeys.layer().pipe(Layer.provide([database, keyring()])))(Effect.gen(function*() {
      const names = yield* Effect.forEach(
        [owner, owner, { ...owner, user: "eve" }, { ...owner, app: "x" }, { ...owner, user: "" }],
        keyIdOf
      )
      expect(names[0]).toBe(names[1])
      expect(new Set(names).size).toBe(4)
      const keys = yield* DataKeys.DataKeys
      expect(Option.isNone(yield* keys.find({ app: "no", user: "body" }, ({ name }) => name))).toBe(true)
    })))

  it.scoped("many callers at once cost one unwrapping, and one that gives up disturbs no other", () =>
    Effect.gen(function*() {
      const { counts, gate, layer } = yield* makeSpy
      const db = Layer.succeedContext(yield* Layer.build(database))
      const fresh = DataKeys.layer().pipe(Layer.provide([db, layer]))
      yield* Effect.scoped(using(fresh)(keyIdOf(owner)))
      yield* using(fresh)(Effect.gen(function*() {
        const before = counts.unwrapped
        const open = yield* Deferred.make<void>()
        yield* Ref.set(gate, Deferred.await(open))
        const first = yield* Effect.fork(keyIdOf(owner))
        const others = yield* Effect.forkAll(Array.from({ length: 100 }, () => keyIdOf(owner)))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(open, undefined)
        expect(new Set(yield* Fiber.join(others)).size).toBe(1)
        expect(counts.unwrapped - before).toBe(1)
      }))
    }))

  it.scoped("key bytes are overwritten on expiry, on eviction and at the end of the scope", () =>
    Effect.gen(function*() {
      const { given, layer } = yield* makeSpy
      const scope = yield* Scope.make()
      const keys = DataKeys.layer({ capacity: 2, timeToLive: "1 minute" }).pipe(Layer.provide([database, layer]))
      const context = yield* Layer.buildWithScope(keys, scope)
      yield* Effect.gen(function*() {
        const canary = given.length
        expect(given.every(isWiped)).toBe(true)
        yield* keyIdOf({ app: "a", user: "1" })
        yield* keyIdOf({ app: "a", user: "2" })
        expect(given.slice(canary).map(isWiped)).toEqual([false, false])
        yield* keyIdOf({ app: "a", user: "1" })
        yield* keyIdOf({ app: "a", user: "3" })
        expect(given.slice(canary).map(isWiped)).toEqual([false, true, false])
        yield* TestClock.adjust("1 minute")
        yield* keyIdOf({ app: "a", user: "4" })
        expect(given.slice(canary).map(isWiped)).toEqual([true, true, true, false])
        yield* Scope.close(scope, Exit.void)
        expect(given.every(isWiped)).toBe(true)
      }).pipe(Effect.provide(context))
    }))

  it.scoped("a cached key costs the provider nothing until it expires", () =>
    Effect.gen(function*() {
      const { counts, layer } = yield* makeSpy
      yield* using(DataKeys.layer({ timeToLive: "1 minute" }).pipe(Layer.provide([database, layer])))(
        Effect.gen(function*() {
          yield* Effect.repeatN(keyIdOf(owner), 200)
          expect(counts.unwrapped).toBe(0)
          yield* TestClock.adjust("2 minutes")
          yield* Effect.repeatN(keyIdOf(owner), 200)
          expect(counts.unwrapped).toBe(1)
        })
      )
    }))

  it.scoped("a key is unwrapped anew after so many uses and after so many bytes", () =>
    Effect.gen(function*() {
      const { counts, layer } = yield* makeSpy
      const db = Layer.succeedContext(yield* Layer.build(database))
      const limited = DataKeys.layer({ maxUses: 10, maxBytes: 1000 }).pipe(Layer.provide([db, layer]))
      yield* using(limited)(Effect.gen(function*() {
        const keys = yield* DataKeys.DataKeys
        yield* Effect.repeatN(keys.use(owner, 1, () => Either.right(0)), 9)
        expect(counts.unwrapped).toBe(0)
        yield* keys.use(owner, 1, () => Either.right(0))
        expect(counts.unwrapped).toBe(1)
        yield* keys.use(owner, 1, () => Either.right(0), 1000)
        yield* keys.use(owner, 1, () => Either.right(0))
        expect(counts.unwrapped).toBe(2)
      }))
    }))

  it.scoped("the bytes of what Encryption seals, alone or together, count towards that", () =>
    Effect.gen(function*() {
      const { counts, layer } = yield* makeSpy
      const db = Layer.succeedContext(yield* Layer.build(database))
      const limited = Encryption.layer({ maxBytes: 1000 }).pipe(Layer.provide([db, layer]))
      yield* using(limited)(Effect.gen(function*() {
        const { seal, sealAll } = yield* Encryption.Encryption
        const record = { place: { table: "t", column: "c" }, plaintext: new Uint8Array(600) }
        const sealOne = seal(owner, record.place, record.plaintext)
        yield* Effect.repeatN(sealOne, 1)
        expect(counts.unwrapped).toBe(0)
        yield* sealOne
        expect(counts.unwrapped).toBe(1)
        yield* sealAll(owner, [record])
        yield* sealOne
        expect(counts.unwrapped).toBe(2)
      }))
    }))

  const faulty = Effect.gen(function*() {
    const faults = yield* makeFaultKeyProvider
    const db = Layer.succeedContext(yield* Layer.build(database))
    const start = () =>
      using(
        DataKeys.layer({ timeToLive: "1 minute", providerTimeout: "5 seconds" }).pipe(
          Layer.provide([db, faults.layer])
        )
      )
    return { ...faults, start }
  }).pipe(Effect.provide(keyring()))

  it.scoped.each(
    [
      { fault: "throttled", expected: { reason: "Unavailable", retryable: true } },
      { fault: "denied", expected: { reason: "Unavailable", retryable: false } },
      { fault: "wrongContext", expected: { reason: "AuthenticationFailed", retryable: false } }
    ] as const
  )(
    "a provider that is $fault fails typed; a kept key goes on, and all goes on once it is over",
    ({ expected, fault }) =>
      Effect.gen(function*() {
        const { inject, start } = yield* faulty
        yield* start()(Effect.gen(function*() {
          const first = yield* keyIdOf(owner)
          yield* inject(fault)
          expect(yield* keyIdOf(owner)).toBe(first)
          yield* TestClock.adjust("2 minutes")
          expect(yield* Effect.flip(keyIdOf(owner))).toMatchObject({ _tag: "KeyProviderError", ...expected })
          yield* inject("none")
          expect(yield* keyIdOf(owner)).toBe(first)
        }))
      })
  )

  it.scoped("a provider that hangs fails after its time for all who wait, at the cost of one call", () =>
    Effect.gen(function*() {
      const { calls, inject, start } = yield* faulty
      yield* start()(Effect.gen(function*() {
        const first = yield* keyIdOf(owner)
        yield* TestClock.adjust("2 minutes")
        yield* inject("hanging")
        const before = yield* calls
        const waiting = yield* Effect.forkAll(Array.from({ length: 50 }, () => Effect.flip(keyIdOf(owner))))
        yield* TestClock.adjust("6 seconds")
        const errors = yield* Fiber.join(waiting)
        expect(errors.every((error) => error._tag === "KeyProviderError" && error.retryable)).toBe(true)
        expect((yield* calls) - before).toBe(1)
        yield* inject("none")
        expect(yield* keyIdOf(owner)).toBe(first)
      }))
    }))

  it.scoped("a key of the ring that is gone or disabled is named so, and the data stays", () =>
    Effect.gen(function*() {
      const db = Layer.succeedContext(yield* Layer.build(database))
      const [old, next] = [{ id: "old", key: keyOf(1) }, { id: "next", key: keyOf(2), primary: true }]
      const start = (...keys: readonly [KeyProvider.KeyringKey, ...Array<KeyProvider.KeyringKey>]) =>
        using(DataKeys.layer().pipe(Layer.provide([db, KeyProvider.layerKeyring(keys)])))
      yield* Effect.scoped(start(next)(Effect.void))
      const first = yield* Effect.scoped(start({ ...next, primary: false }, { ...old, primary: true })(keyIdOf(owner)))
      const refusal = (...keys: readonly [KeyProvider.KeyringKey, ...Array<KeyProvider.KeyringKey>]) =>
        Effect.scoped(start(...keys)(Effect.flip(keyIdOf(owner))))
      expect(yield* refusal(next)).toMatchObject({ _tag: "DecryptionError", reason: "KeyNotFound" })
      expect(yield* refusal(next, { ...old, disabled: true })).toMatchObject({ reason: "KeyDisabled" })
      expect(yield* Effect.scoped(start(next, old)(keyIdOf(owner)))).toBe(first)
    }))

  it.scoped("a key seals up to its limit, counted over restarts, and still opens then", () =>
    Effect.gen(function*() {
      const db = Layer.succeedContext(yield* Layer.build(database))
      const start = () => using(DataKeys.layer({ sealLimit: 2000 }).pipe(Layer.provide([db, keyring()])))
      // A restart forgets what it had reserved and not used: 1,024 seals, so the count errs to the safe side.
      yield* Effect.scoped(start()(spend(1)))
      yield* start()(Effect.gen(function*() {
        yield* Effect.repeatN(spend(1), 975)
        const error = yield* Effect.flip(spend(1))
        expect(error).toMatchObject({ _tag: "KeyUsageExceeded", limit: 2000 })
        const keys = yield* DataKeys.DataKeys
        expect(Option.isSome(yield* keys.find(owner, () => true))).toBe(true)
      }))
    }))

  it.scoped("a key row that was altered or exchanged does not unwrap", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(database)
      const db = Layer.succeedContext(context)
      const start = () => using(DataKeys.layer().pipe(Layer.provide([db, keyring()])))
      yield* Effect.scoped(start()(Effect.zipRight(keyIdOf(owner), keyIdOf({ ...owner, user: "eve" }))))
      const sql = yield* Effect.provide(SqlClient.SqlClient, context)
      const swap =
        sql`UPDATE session_keys SET user_id = CASE user_id WHEN 'ada' THEN 'eve ' ELSE 'ada' END WHERE app = 'desk'`
      yield* swap
      const error = yield* Effect.flip(Effect.scoped(start()(keyIdOf(owner))))
      expect(error).toMatchObject({ _tag: "KeyProviderError", reason: "AuthenticationFailed" })
    }))

  it.scoped("a provider that gives another key than it promised is a CommitmentMismatch", () =>
    Effect.gen(function*() {
      const real = yield* using(keyring())(KeyProvider.KeyProvider)
      const db = Layer.succeedContext(yield* Layer.build(database))
      const other = KeyProvider.KeyProvider.of({
        ...real,
        unwrap: (wrapped, context) =>
          context.user === "ada" ? Effect.succeed(Redacted.make(new Uint8Array(32))) : real.unwrap(wrapped, context)
      })
      const start = (provider: typeof real) =>
        using(DataKeys.layer().pipe(Layer.provide([db, Layer.succeed(KeyProvider.KeyProvider, provider)])))
      yield* Effect.scoped(start(real)(keyIdOf(owner)))
      const error = yield* Effect.flip(start(other)(keyIdOf(owner)))
      expect(error).toMatchObject({ _tag: "DecryptionError", reason: "CommitmentMismatch" })
    }))
})

const phrase = (text: string) =>
  Layer.orDie(KeyProvider.layerPassphrase({ passphrase: Redacted.make(text), cost: { logN: 4, r: 8, p: 1 } }))

describe("a wrong key at start", () => {
  const write = Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const session = yield* sessions.create({ app, user: ada, state: { a: 1 } })
    yield* sessions.append(session, say("hello"))
    yield* sessions.create({ app, user: eve })
  })
  it.scoped.each([
    { name: "another key", right: keyring(1), wrong: keyring(2) },
    {
      name: "a key of another name",
      right: keyring(1),
      wrong: Layer.orDie(KeyProvider.layerKeyring([{ id: "else", key: keyOf(1) }]))
    },
    { name: "another passphrase", right: phrase("right"), wrong: phrase("wrong") },
    { name: "a passphrase instead of a key", right: keyring(1), wrong: phrase("p") }
  ])(
    "$name is refused, the files stay byte for byte, and the right one still opens",
    ({ right, wrong }) =>
      Effect.gen(function*() {
        const filename = yield* temporaryFile
        yield* Effect.scoped(using(openFile(filename, right))(write))
        const before = yield* filesOf(filename)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(openFile(filename, wrong))))
        expect(error).toMatchObject({ _tag: "ConfigurationError", reason: "WrongKey" })
        expect(error.message).toContain("nothing was changed")
        const after = (yield* filesOf(filename)).filter(({ name }) => name === "sessions.db")
        expect(after).toEqual(before)
        yield* using(openFile(filename, right))(write)
      })
  )

  it.scoped("a provider that cannot be asked is not a wrong key", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      yield* Effect.scoped(using(openFile(filename))(write))
      const down = new SecureSessionsError.KeyProviderError({
        provider: "kms",
        operation: "unwrap",
        reason: "Unavailable",
        retryable: true
      })
      const provider = Layer.succeed(KeyProvider.KeyProvider, {
        id: "kms",
        primary: Effect.fail(down),
        generateDataKey: () => Effect.fail(down),
        wrap: () => Effect.fail(down),
        unwrap: () => Effect.fail(down),
        rewrap: () => Effect.fail(down)
      })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(openFile(filename, provider))))
      expect(error).toMatchObject({ _tag: "KeyProviderError", reason: "Unavailable", retryable: true })
    }))

  it.scoped("tables of a newer version are refused and left alone", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      yield* Effect.scoped(
        using(openFile(filename))(Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql`UPDATE session_schema SET version = 1000`
        }))
      )
      const before = yield* filesOf(filename)
      const error = yield* Effect.flip(Effect.scoped(Layer.build(openFile(filename))))
      expect(error).toMatchObject({ _tag: "ConfigurationError", reason: "NewerSchema" })
      expect((yield* filesOf(filename)).filter(({ name }) => name === "sessions.db")).toEqual(before)
    }))

  it.scoped("a folder that is not there and a file that is no database are storage errors", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const missing = yield* Effect.flip(Effect.scoped(Layer.build(openFile(`${filename}/no/such.db`))))
      expect(missing).toMatchObject({ _tag: "StorageError", reason: "CannotOpen" })
    }))
})
