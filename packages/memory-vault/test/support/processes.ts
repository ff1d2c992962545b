import { Command, FileSystem } from "@effect/platform"
import type { PlatformError } from "@effect/platform/Error"
import { SqlClient } from "@effect/sql"
import { Chunk, Clock, Effect, Stream } from "effect"
import { layerRaw, within } from "./vaultFile.ts"

const script = new URL("writer.ts", import.meta.url).pathname

/** Tests run the sources, the long checks in `soak/` the built package. */
const conditions = process.env["VITEST"] === undefined ? [] : ["-C", "@sennit/source"]

export const startWriter = (...args: ReadonlyArray<string>) =>
  Command.make(process.execPath, "--import", "tsx", ...conditions, script, ...args).pipe(
    Command.stderr("inherit"),
    Command.start
  )

export const linesOf = (stdout: Stream.Stream<Uint8Array, PlatformError>) =>
  stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.filter((line) => line !== "begun"))

/** Kills a writer of `mixed` work after a number of confirmed saves; which these were. */
export const killWriter = (filename: string, name: string, lines: number, key = "") =>
  Effect.gen(function*() {
    const writer = yield* startWriter(filename, name, "100000", "mixed", key)
    const seen = yield* linesOf(writer.stdout).pipe(Stream.take(lines), Stream.runCollect)
    yield* Effect.ignore(writer.kill("SIGKILL"))
    return Chunk.toReadonlyArray(seen)
  })

const oldest = new URL("../fixtures/schema-1.db", import.meta.url).pathname

/** A file of schema 1 with so many memories that bringing it up to date takes a while. */
export const makeOldFile = (filename: string, memories: number) =>
  Effect.gen(function*() {
    yield* (yield* FileSystem.FileSystem).copyFile(oldest, filename)
    yield* Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${memories})
        INSERT INTO vault_memories (scope, id, digest, type, text, tokens, importance, occurrences, source, session, created_at)
        SELECT (SELECT min(id) FROM vault_scopes), printf('mem_%026d', i), 0, 'semantic',
          'My sister Ada lives in Town' || substr('bcdfghjk', 1 + i % 8, 1) || '.', 8, 0, 1, 'old', 's' || (i / 20), i FROM n`
      yield* sql`INSERT INTO vault_postings (scope, doc, term, frequency)
        SELECT m.scope, m.doc, t.value, 1 FROM vault_memories m,
          json_each(json_array('my', 'sister', 'ada', 'live', 'in', 'town' || substr('bcdfghjk', 1 + m.created_at % 8, 1))) t
        WHERE m.source = 'old'`
      yield* sql`UPDATE vault_scopes SET memories = memories + ${memories}, terms = terms + 6 * ${memories}
        WHERE id = (SELECT min(id) FROM vault_scopes)`
    }).pipe(within(layerRaw(filename)))
  })

/** The clock, so much later: what would have to be waited for has happened. */
export const laterBy = (millis: number): Clock.Clock => {
  const clock = Clock.make()
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + millis,
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + millis),
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}
