import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { describePostgres } from "./databases.ts"
import { inspect, runWriter } from "./programs/runWriters.ts"
import { filesOf, keyring, openFile, openPlace, temporaryFile, using } from "./support.ts"

const sources = ["-C", "@sennit/source"]

/** Two writers of one session. */
const writeTogether = (place: string, count: number) =>
  Effect.gen(function*() {
    const ended = yield* Effect.forEach(
      ["left", "right"],
      (name) => runWriter({ place, name, count }, sources),
      { concurrency: 2 }
    )
    expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: "" },
      { code: 0, stderr: "" }
    ])
    const { ids, problems } = yield* Effect.scoped(using(openPlace(place))(inspect))
    expect(problems).toEqual([])
    expect(ids.size).toBe(2 * count)
    expect(ids).toEqual(new Set(ended.flatMap(({ acknowledged }) => acknowledged)))
  })

/** Kills writers after so many acknowledged events, one after the other, and looks at what each leaves. */
const killWriters = <E, R>(
  place: string,
  kills: ReadonlyArray<number>,
  afterwards: Effect.Effect<void, E, R>
) =>
  Effect.gen(function*() {
    const acknowledged: Array<string> = []
    for (const [round, killAfter] of kills.entries()) {
      const writer = yield* runWriter({ place, name: `writer${round}`, count: 100_000, killAfter }, sources)
      expect(writer.code).toBeNull()
      acknowledged.push(...writer.acknowledged)
      yield* afterwards
      const { ids, problems } = yield* Effect.scoped(using(openPlace(place))(inspect))
      expect(problems).toEqual([])
      expect(acknowledged.filter((id) => !ids.has(id))).toEqual([])
    }
  })

/** A wrong key changes nothing of what a killed writer left; the -shm file is an index in memory that readers rebuild. */
const askWrongKey = (filename: string) =>
  Effect.gen(function*() {
    const data = Effect.map(filesOf(filename), (files) => files.filter(({ name }) => !name.endsWith("-shm")))
    const before = yield* data
    expect(before.map(({ name }) => name)).toContain("sessions.db-wal")
    const error = yield* Effect.flip(Effect.scoped(Layer.build(openFile(filename, keyring(9)))))
    expect(error).toMatchObject({ _tag: "ConfigurationError", reason: "WrongKey" })
    expect(yield* data).toEqual(before)
  })

describe("several processes on SQLite", () => {
  it.scopedLive(
    "two that append 300 events each lose none",
    () => Effect.flatMap(temporaryFile, (filename) => writeTogether(filename, 300)),
    300_000
  )

  it.scopedLive(
    "one that is killed leaves every acknowledged event, and a wrong key changes nothing of what it left",
    () => Effect.flatMap(temporaryFile, (filename) => killWriters(filename, [1, 7, 40], askWrongKey(filename))),
    300_000
  )
})

describePostgres("several processes", (server) => {
  const place = Effect.flatMap(server, ({ createDatabase }) => Effect.map(createDatabase, Redacted.value))

  it.scopedLive(
    "two that append 300 events each lose none",
    () => Effect.flatMap(place, (url) => writeTogether(url, 300)),
    300_000
  )

  it.scopedLive(
    "one that is killed leaves every acknowledged event",
    () => Effect.flatMap(place, (url) => killWriters(url, [1, 7, 40], Effect.void)),
    300_000
  )
})
