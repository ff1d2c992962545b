// @effect-diagnostics nodeBuiltinImport:off -- passwords are stretched by node's scrypt
/**
 * Who may sign in. Without accounts there is one person, and whoever reaches the server on this machine is that person.
 * With accounts a password is kept as its scrypt value, and a sign-in as the digest of its token: neither can be used by
 * who reads the database.
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto"
import type { Account } from "./Api.ts"
import { NotSignedIn, SignInRefused, StorageFailed } from "./ApiError.ts"
import type { DemoConfig } from "./DemoConfig.ts"
import { isUserName } from "./DemoConfig.ts"

export interface Credentials {
  readonly name: string
  readonly password: Redacted.Redacted
}

export class Accounts extends Context.Tag("@sennit/demo/Accounts")<Accounts, {
  /** Who sent a request with these headers. */
  readonly nameOf: (headers: Headers.Headers) => Effect.Effect<string, NotSignedIn | StorageFailed>
  /** What the page says about signing in. */
  readonly status: (headers: Headers.Headers) => Effect.Effect<Account, StorageFailed>
  /** Both answer the token for a cookie. */
  readonly signUp: (credentials: Credentials) => Effect.Effect<Redacted.Redacted, SignInRefused | StorageFailed>
  readonly signIn: (credentials: Credentials) => Effect.Effect<Redacted.Redacted, SignInRefused | StorageFailed>
  /** Ends the sign-in of these headers. */
  readonly signOut: (headers: Headers.Headers) => Effect.Effect<void, StorageFailed>
}>() {}

export const COOKIE = "sennit"
export const SIGNED_IN_FOR = Duration.days(7)
const SHORTEST_PASSWORD = 8
const LONGEST_PASSWORD = 1000

/** RFC 7914; 32 MiB and about 100 ms each. */
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 2 ** 20 }
/** More at once would take the memory and the cores of the answers. */
const STRETCHED_AT_ONCE = 2

const stretch = (password: Redacted.Redacted, salt: Buffer): Effect.Effect<Buffer> =>
  Effect.async((resume) => {
    scrypt(Redacted.value(password).normalize("NFKC"), salt, 32, cost, (error, key) => {
      resume(error === null ? Effect.succeed(key) : Effect.die(error))
    })
  })

const digest = (token: string) => createHash("sha256").update(token).digest("hex")

/** A browser has the token in a cookie; programs send it as a key. */
const tokenIn = (headers: Headers.Headers): Option.Option<string> => {
  const cookie = Option.flatMap(
    Headers.get(headers, "cookie"),
    (header) => Option.fromNullable(Cookies.parseHeader(header)[COOKIE])
  )
  const bearer = Option.filterMap(
    Headers.get(headers, "authorization"),
    (value) => /^bearer /i.test(value) ? Option.some(value.slice(7).trim()) : Option.none()
  )
  return Option.firstSomeOf([cookie, bearer, Headers.get(headers, "api-key")])
}

const failed = () => new StorageFailed({ detail: "The accounts could not be read or written. Nothing was changed." })

interface Row {
  readonly name: string
  readonly salt: string
  readonly hash: string
}

const migrate = (sql: SqlClient.SqlClient) =>
  Effect.all([
    sql`CREATE TABLE IF NOT EXISTS demo_accounts (name TEXT PRIMARY KEY, salt TEXT NOT NULL, hash TEXT NOT NULL)`,
    sql`CREATE TABLE IF NOT EXISTS demo_signins
      (token TEXT PRIMARY KEY, name TEXT NOT NULL, expires_at BIGINT NOT NULL)`
  ])

const refused = (reason: SignInRefused["reason"]) => new SignInRefused({ reason })

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.mapError(migrate(sql), failed)
  const stretching = yield* Effect.makeSemaphore(STRETCHED_AT_ONCE)
  const stretched = (password: Redacted.Redacted, salt: Buffer) => stretching.withPermits(1)(stretch(password, salt))

  const begin = Effect.fnUntraced(function*(name: string) {
    const token = randomBytes(32).toString("base64url")
    const now = yield* Clock.currentTimeMillis
    const expires = now + Duration.toMillis(SIGNED_IN_FOR)
    yield* sql`DELETE FROM demo_signins WHERE expires_at < ${now}`
    yield* sql`INSERT INTO demo_signins (token, name, expires_at) VALUES (${digest(token)}, ${name}, ${expires})`
    return Redacted.make(token)
  }, Effect.mapError(failed))

  const find = (headers: Headers.Headers): Effect.Effect<Option.Option<string>, StorageFailed> =>
    Option.match(tokenIn(headers), {
      onNone: () => Effect.succeedNone,
      onSome: (token) =>
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          const rows = yield* sql<{ readonly name: string }>`SELECT name FROM demo_signins
            WHERE token = ${digest(token)} AND expires_at >= ${now}`
          return Option.fromNullable(rows[0]?.name)
        }).pipe(Effect.mapError(failed))
    })

  return Accounts.of({
    nameOf: (headers) =>
      Effect.flatMap(
        find(headers),
        Option.match({
          onNone: () => new NotSignedIn(),
          onSome: Effect.succeed
        })
      ),
    status: (headers) => Effect.map(find(headers), (name) => ({ signsIn: true, person: Option.getOrNull(name) })),
    signUp: Effect.fn("Accounts.signUp")(function*({ name, password }) {
      const { length } = Redacted.value(password)
      if (!isUserName(name)) return yield* refused("BadName")
      if (length < SHORTEST_PASSWORD || length > LONGEST_PASSWORD) return yield* refused("BadPassword")
      const salt = randomBytes(16)
      const hash = yield* stretched(password, salt)
      const rows = yield* Effect.mapError(
        sql<{ readonly name: string }>`INSERT INTO demo_accounts (name, salt, hash)
          VALUES (${name}, ${salt.toString("hex")}, ${hash.toString("hex")}) ON CONFLICT DO NOTHING RETURNING name`,
        failed
      )
      return rows.length === 0 ? yield* refused("NameTaken") : yield* begin(name)
    }),
    signIn: Effect.fn("Accounts.signIn")(function*({ name, password }) {
      if (Redacted.value(password).length > LONGEST_PASSWORD) return yield* refused("Wrong")
      const rows = yield* Effect.mapError(
        sql<Row>`SELECT name, salt, hash FROM demo_accounts WHERE name = ${name}`,
        failed
      )
      // A name that is not there takes as long and gets the same answer.
      const { hash, salt } = rows[0] ?? { salt: "00".repeat(16), hash: "00".repeat(32) }
      const given = yield* stretched(password, Buffer.from(salt, "hex"))
      const isRight = timingSafeEqual(given, Buffer.from(hash, "hex"))
      return isRight && rows.length > 0 ? yield* begin(name) : yield* refused("Wrong")
    }),
    signOut: (headers) =>
      Option.match(tokenIn(headers), {
        onNone: () => Effect.void,
        onSome: (token) =>
          Effect.asVoid(Effect.mapError(sql`DELETE FROM demo_signins WHERE token = ${digest(token)}`, failed))
      })
  })
})

/** Everybody who reaches the server is this person. */
const layerSingle = (name: string): Layer.Layer<Accounts> =>
  Layer.succeed(Accounts, {
    nameOf: () => Effect.succeed(name),
    status: () => Effect.succeed({ signsIn: false, person: name }),
    signUp: () => refused("NoAccounts"),
    signIn: () => refused("NoAccounts"),
    signOut: () => Effect.void
  })

/** With accounts, or for one person: as the configuration says. */
export const layer = (
  { accounts, user }: Pick<DemoConfig, "accounts" | "user">
): Layer.Layer<Accounts, StorageFailed, SqlClient.SqlClient> =>
  accounts ? Layer.effect(Accounts, make) : layerSingle(user)
