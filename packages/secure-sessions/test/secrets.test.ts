import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { Encryption, KeyProvider, Session, SessionService } from "@sennit/secure-sessions"
import { Cause, Effect, Exit, Inspectable, Layer, Option, Redacted, Schema, Tracer } from "effect"
import { ada, app, filesOf, openFile, temporaryFile, using } from "./support.ts"

/** A tracer that keeps every word of every span. */
const makeTracer = () => {
  const words: Array<string> = []
  const tell = (value: unknown) => words.push(Inspectable.toStringUnknown(value))
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      tell(name)
      const span: Tracer.Span = {
        _tag: "Span",
        spanId: String(words.length),
        traceId: "t",
        sampled: true,
        name,
        parent,
        context,
        links,
        kind,
        attributes: new Map(),
        status: { _tag: "Started", startTime },
        attribute: (key, value) => void tell([key, value]),
        event: (event, _, attributes) => void tell([event, attributes]),
        addLinks: () => undefined,
        end: (_, exit) => void tell(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "")
      }
      return span
    },
    context: (f) => f()
  })
  return { tracer, words }
}

/** All that a program could print of a failure. */
const wordsOf = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  return [
    Cause.pretty(cause),
    Inspectable.toStringUnknown(cause),
    String(error),
    Inspectable.toStringUnknown(error),
    error instanceof Error ? `${error.message} ${error.stack} ${Inspectable.toStringUnknown(error.cause)}` : ""
  ].join("\n")
}

const place = { table: "notes", column: "body" }

describe("secrets", () => {
  it.scoped("what is sealed appears in no file, no error and no span", () =>
    Effect.gen(function*() {
      const token = Buffer.from(Redacted.value(yield* KeyProvider.generateKey)).toString("hex").slice(0, 48)
      const key = Buffer.from(token.slice(0, 32), "latin1")
      const filename = yield* temporaryFile
      const keys = Layer.orDie(KeyProvider.layerKeyring([{ id: "test", key: Redacted.make<Uint8Array>(key) }]))
      const { tracer, words } = makeTracer()

      const failures = yield* using(openFile(filename, keys))(
        Effect.gen(function*() {
          const sessions = yield* SessionService.SessionService
          const encryption = yield* Encryption.Encryption
          const sql = yield* SqlClient.SqlClient
          const id = Session.SessionId.make("one")
          const secret: Session.SecretName = `secret:${token}`
          const kept = { [secret]: Redacted.make(token) }
          const state = { ...kept, [token]: token, [`user:${token}`]: [token], [`app:${token}`]: { [token]: token } }
          const session = yield* sessions.create({ app, user: ada, id, state, metadata: { [token]: token } })
          const event = { author: token, body: { [token]: token } }
          const next = yield* sessions.append(session, event, { stateDelta: { later: token } })
          const handed = Option.getOrThrow(yield* sessions.getSecret(session.ref, secret))
          expect(Redacted.value(handed)).toBe(token)
          expect(`${handed} ${Inspectable.toStringUnknown(handed)} ${session.state[secret]}`).not.toContain(token)
          expect(Option.getOrThrow(yield* sessions.get(session.ref)).state[token]).toBe(token)

          const bad = { [token]: { [token]: Number.NaN } }
          const owner = { app, user: ada }
          const wrong = Schema.Struct({ [token]: Schema.Literal(token) })
          const envelope = yield* encryption.seal(owner, place, Buffer.from(`{"other":"${token}"}`))
          const attempts: ReadonlyArray<Effect.Effect<Exit.Exit<unknown, unknown>>> = [
            Effect.exit(sessions.create({ app, user: ada, id, state })),
            Effect.exit(sessions.create({ app, user: ada, state: bad })),
            Effect.exit(sessions.append(next, event, { stateDelta: { [secret]: token } })),
            Effect.exit(
              Effect.zipRight(sql`UPDATE session_secrets SET stamp = 1`, sessions.getSecret(session.ref, secret))
            ),
            Effect.exit(sessions.append(session, event)),
            Effect.exit(sessions.append(next, { author: token, body: bad })),
            Effect.exit(sessions.append(next, { ...event, id: next.events[0]!.id })),
            Effect.exit(encryption.sealJson(Schema.Number)(owner, place, Number.NaN)),
            Effect.exit(encryption.openJson(wrong)(owner, place, envelope)),
            Effect.exit(encryption.open(owner, { ...place, id: "x" }, envelope)),
            Effect.exit(encryption.open(owner, place, Buffer.from(token))),
            Effect.exit(
              Effect.zipRight(sql`UPDATE session_events SET body = ${Buffer.from(token)}`, sessions.get(session.ref))
            ),
            Effect.exit(Effect.zipRight(sql`DROP TABLE session_events`, sessions.append(next, event)))
          ]
          const exits = yield* Effect.all(attempts)
          // The planted plaintext is ours, not the package's: take it out of the file again.
          yield* sql`VACUUM`
          yield* sql`PRAGMA wal_checkpoint(TRUNCATE)`
          return exits
        }).pipe(Effect.withTracer(tracer))
      )

      expect(failures.every(Exit.isFailure)).toBe(true)
      const printed = failures.flatMap((exit) => Exit.isFailure(exit) ? [wordsOf(exit.cause)] : []).join("\n")
      expect(words.length).toBeGreaterThan(100)
      const clear = [token, key.toString("hex"), key.toString("base64"), Buffer.from(token).toString("base64")]
      for (const text of clear) {
        expect(printed).not.toContain(text)
        expect(words.join("\n")).not.toContain(text)
        for (const { bytes } of yield* filesOf(filename)) expect(bytes.includes(text)).toBe(false)
      }
    }))

  it.scoped("the files of an open database, journal included, hold no plaintext and no key", () =>
    Effect.gen(function*() {
      const token = Buffer.from(Redacted.value(yield* KeyProvider.generateKey)).toString("hex")
      const filename = yield* temporaryFile
      yield* using(openFile(filename))(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        const session = yield* sessions.create({ app, user: ada, state: { [token]: token, [`app:${token}`]: token } })
        yield* sessions.append(session, { author: token, body: token }, { stateDelta: { x: token } })
        const files = yield* filesOf(filename)
        expect(files.map(({ name }) => name)).toEqual(["sessions.db", "sessions.db-shm", "sessions.db-wal"])
        // The ids are there to show that the search finds what is in clear.
        expect(files.some(({ bytes }) => bytes.includes(session.ref.id))).toBe(true)
        for (const { bytes } of files) {
          expect(bytes.includes(token)).toBe(false)
          expect(bytes.includes(Buffer.alloc(32, 1))).toBe(false)
        }
      }))
    }))

  it.scoped("who traces sees the statements of a read, and what it returns is the same as without", () =>
    Effect.gen(function*() {
      const { tracer, words } = makeTracer()
      yield* using(openFile(yield* temporaryFile))(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        const { ref } = yield* sessions.create({ app, user: ada, state: { topic: "tides" } })
        const untraced = yield* sessions.get(ref)
        expect(yield* Effect.withTracer(sessions.get(ref), tracer)).toEqual(untraced)
        expect(words).toEqual(expect.arrayContaining(["Session.get", "sql.transaction", "sql.execute"]))
      }))
    }))

  it.scoped("a wrong key or passphrase is not quoted", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      yield* Effect.scoped(Layer.build(openFile(filename)))
      const secret = "correct horse battery staple"
      const phrase = KeyProvider.layerPassphrase({ passphrase: Redacted.make(secret), cost: { logN: 4, r: 8, p: 1 } })
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(openFile(filename, Layer.orDie(phrase)))))
      expect(Exit.isFailure(exit) ? wordsOf(exit.cause) : "").toContain("WrongKey")
      expect(Exit.isFailure(exit) ? wordsOf(exit.cause) : secret).not.toContain("horse")
    }))
})
