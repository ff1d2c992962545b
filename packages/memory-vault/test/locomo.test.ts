import { SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import { Effect, Stream } from "effect"
import { depths, isPresent, meanRecall, readConversations } from "./support/locomo.ts"
import type { Conversation } from "./support/locomo.ts"
import { userMemory, within } from "./support/vaultFile.ts"

/** Every turn saved in order, every question recalled. */
const askVault = ({ name, questions, turns }: Conversation) =>
  Effect.gen(function*() {
    const memory = yield* userMemory(name)
    const results = yield* Stream.runCollect(memory.saveAll(
      Stream.fromIterable(turns.map(({ session, speaker, text }) => ({ text, speaker, sessionId: session })))
    ))
    const turnsOf = new Map<string, Array<string>>()
    for (const [i, { memories }] of Array.from(results).entries()) {
      const turn = turns[i]
      if (turn === undefined) continue
      for (const { id } of memories) turnsOf.set(id, [...(turnsOf.get(id) ?? []), turn.id])
    }
    const answers = yield* Effect.forEach(questions, ({ evidence, question }) =>
      Effect.map(memory.recall({ query: question, topK: 50, tokenBudget: 1_000_000 }), ({ memories }) => ({
        evidence,
        ranked: memories.flatMap((found) =>
          turnsOf.get(found.memory.id) ?? []
        )
      })))
    return { answers, kept: turnsOf.size }
  })

const stop = new Set(
  "a an and are as at be by did do does for from had has have he her his how i in is it its of on or she that the their they this to was were what when where which who why will with would you"
    .split(" ")
)

/** The floor: SQLite's own full-text search with Porter stems and BM25, stop words dropped. */
const askFullText = ({ name, questions, turns }: Conversation) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const table = sql(`fts_${name.replace("-", "_")}`)
    yield* sql`CREATE VIRTUAL TABLE ${table} USING fts5 (text, turn UNINDEXED, tokenize = 'porter unicode61')`
    yield* Effect.forEach(turns, ({ id, speaker, text }) =>
      sql`INSERT INTO ${table} (text, turn) VALUES (${`${speaker}: ${text}`}, ${id})`, { discard: true })
    return yield* Effect.forEach(questions, ({ evidence, question }) => {
      const words = (question.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) =>
        !stop.has(word)
      )
      if (words.length === 0) return Effect.succeed({ evidence, ranked: [] })
      const match = words.map((word) => `"${word}"`).join(" OR ")
      return Effect.map(
        sql<{ readonly turn: string }>`SELECT turn FROM ${table} WHERE ${table} MATCH ${match} ORDER BY rank LIMIT 50`,
        (rows) => ({ evidence, ranked: rows.map(({ turn }) => turn) })
      )
    })
  })

describe("recall on LoCoMo (Maharana et al. 2024, five conversations, 996 questions)", () => {
  it.effect.skipIf(!isPresent)(
    "finds at least 70/79/83/90 % of the evidence in the top 5/10/20/50, well above full-text search",
    () =>
      Effect.gen(function*() {
        const conversations = readConversations()
        const vault = yield* Effect.forEach(conversations, askVault).pipe(within(MemoryVault.layerMemory))
        const floor = yield* Effect.forEach(conversations, askFullText).pipe(
          within(SqliteClient.layer({ filename: ":memory:" }))
        )
        const ours = meanRecall(vault.flatMap(({ answers }) => answers))
        const theirs = meanRecall(floor.flat())
        const targets = [70, 79, 83, 90]
        for (const [i, depth] of depths.entries()) {
          expect(ours[i], `recall at ${depth}`).toBeGreaterThanOrEqual(targets[i] ?? 100)
          expect(ours[i], `recall at ${depth} against full-text search`).toBeGreaterThan((theirs[i] ?? 100) + 5)
        }
        expect(floor.flat()).toHaveLength(996)
      }),
    { timeout: 60_000 }
  )
})
