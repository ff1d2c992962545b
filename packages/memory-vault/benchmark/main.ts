// @effect-diagnostics asyncFunction:off nodeBuiltinImport:off a benchmark is a plain program
import { MemoryScope, MemoryVault } from "@sennit/memory-vault"
import { createMemoryVault } from "@sennit/memory-vault/Promise"
import { Effect, ManagedRuntime } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import os from "node:os"
import path from "node:path"
import { compressedRow } from "./compression.ts"
import { makeTurns, readLocomo, recallAt10 } from "./corpus.ts"
import type { Conversation } from "./corpus.ts"
import { isStopWord, matchExpression, openDatabase, openSearch } from "./peers.ts"

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
  readonly open: () => Promise<{
    readonly ours: () => Promise<Sample>
    readonly peer: () => Promise<Sample>
    readonly close: () => Promise<void>
  }>
}

const clock = async (count: number, work: () => Promise<void>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const wall = performance.now() - start
  const { system, user } = process.cpuUsage(cpu)
  return { value: 1_000 * wall / count, cpuMs: (system + user) / 1_000 }
}

/** The value is a share of evidence found; the time it took counts as well. */
const grade = async (work: () => Promise<number>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const value = await work()
  const { system, user } = process.cpuUsage(cpu)
  return { value, cpuMs: (system + user) / 1_000 }
}

const expectThat = (holds: boolean, what: string) => {
  if (!holds) throw new Error(`wrong result: ${what}`)
}

const makeFolder = () => mkdtemp(path.join(os.tmpdir(), "sennit-vault-"))

/** The vault through its Effect interface, in a file. */
const openFile = async (folder: string) => {
  const runtime = ManagedRuntime.make(MemoryVault.layerSqlite({ filename: path.join(folder, "vault.db") }))
  const memory = await runtime.runPromise(Effect.gen(function*() {
    const vault = yield* MemoryVault.MemoryVault
    return vault.scoped(yield* MemoryScope.user("bench"))
  }))
  return { runtime, memory }
}

const fts = (folder: string, tokenizer: string) =>
  openDatabase(path.join(folder, "peer.db")).then((database) => {
    database.exec(`CREATE VIRTUAL TABLE turns USING fts5 (text, id UNINDEXED, tokenize = '${tokenizer}')`)
    return database
  })

const idOf = (row: unknown): string => typeof row === "object" && row !== null && "id" in row ? String(row.id) : ""

const textOf = (row: unknown): string | undefined =>
  typeof row === "object" && row !== null && "text" in row ? String(row.text) : undefined

const check = (found: number, text: string | undefined, query: string) =>
  expectThat(found > 0 && text !== undefined && text.length > 0, `some text answers "${query}"`)

const recallRow: Workload = {
  id: "recall.1k.top20",
  unit: "µs/query",
  peerName: "better-sqlite3 FTS5 BM25 with the texts of the top 20, no block",
  better: "lower",
  target: 1.5,
  open: async () => {
    const folder = await makeFolder()
    const { memory, runtime } = await openFile(folder)
    const database = await fts(folder, "porter unicode61")
    const insert = database.prepare("INSERT INTO turns (text, id) VALUES (?, ?)")
    // Two conversations of LoCoMo make a thousand turns; their own questions are asked.
    const conversations = readLocomo().slice(2, 4)
    const turns = conversations.flatMap((conversation, i) =>
      conversation.turns.map((turn) => ({ ...turn, id: `${i} ${turn.id}`, session: `${i} ${turn.session}` }))
    ).slice(0, 1_000)
    database.exec("BEGIN")
    for (const { id, session, speaker, text } of turns) {
      await runtime.runPromise(memory.save({ text, speaker, sessionId: session }))
      insert.run(`${speaker}: ${text}`, id)
    }
    database.exec("COMMIT")
    const search = database.prepare("SELECT id, text FROM turns WHERE turns MATCH ? ORDER BY rank LIMIT 20")
    const queries = conversations.flatMap(({ questions }) => questions.map(({ question }) => question)).slice(0, 250)
    return {
      ours: () =>
        clock(queries.length, async () => {
          await runtime.runPromise(Effect.forEach(queries, (query) =>
            Effect.map(
              memory.recall({ query, topK: 20, tokenBudget: 8_000 }),
              ({ memories, promptBlock, totalTokens }) => {
                check(memories.length, memories[0]?.memory.text, query)
                expectThat(totalTokens <= 8_000 && promptBlock.endsWith("</memory>"), "a block within its budget")
              }
            ), { discard: true }))
        }),
      peer: () =>
        clock(queries.length, async () => {
          for (const query of queries) {
            const rows = search.all(matchExpression(query))
            check(rows.length, textOf(rows[0]), query)
          }
        }),
      close: async () => {
        database.close()
        await runtime.dispose()
        await rm(folder, { recursive: true })
      }
    }
  }
}

const saveRow: Workload = {
  id: "save.turn",
  unit: "µs/turn",
  peerName: "better-sqlite3 FTS5 insert, a transaction each",
  better: "lower",
  target: 10,
  open: async () => {
    const folder = await makeFolder()
    const { memory, runtime } = await openFile(folder)
    const database = await fts(folder, "porter unicode61")
    const insert = database.prepare("INSERT INTO turns (text, id) VALUES (?, ?)")
    const count = 300
    let ourRound = 0
    let peerRound = 0
    return {
      ours: () => {
        const turns = makeTurns(count, count * ourRound++)
        return clock(count, async () => {
          await runtime.runPromise(
            Effect.forEach(
              turns,
              ({ session, speaker, text }) =>
                Effect.map(memory.save({ text, speaker, sessionId: session }), ({ created }) => {
                  expectThat(created === 1, "one memory is new")
                }),
              { discard: true }
            )
          )
        })
      },
      peer: () => {
        const turns = makeTurns(count, count * peerRound++)
        return clock(count, async () => {
          for (const { id, speaker, text } of turns) insert.run(`${speaker}: ${text}`, id)
        })
      },
      close: async () => {
        const stored = database.prepare("SELECT count(*) AS id FROM turns").all()
        expectThat(idOf(stored[0]) === String(count * peerRound), "the peer holds every turn")
        database.close()
        await runtime.dispose()
        await rm(folder, { recursive: true })
      }
    }
  }
}

/** Every conversation saved for a user of its own, every question recalled. */
const openVault = async (conversations: ReadonlyArray<Conversation>) => {
  const vault = createMemoryVault({ filename: ":memory:" })
  const scopes = await Promise.all(conversations.map(async ({ questions, turns }, i) => {
    const memory = vault.scoped({ user: `conversation ${i}` })
    const turnsOf = new Map<string, Array<string>>()
    for (const { id, session, speaker, text } of turns) {
      const { memories } = await memory.save({ text, speaker, sessionId: session })
      for (const saved of memories) turnsOf.set(saved.id, [...(turnsOf.get(saved.id) ?? []), id])
    }
    return { memory, questions, turnsOf }
  }))
  const ask = async () => {
    const answers = []
    for (const { memory, questions, turnsOf } of scopes) {
      for (const { evidence, question } of questions) {
        const { memories } = await memory.recall({ query: question, topK: 10, tokenBudget: 100_000 })
        answers.push({ evidence, ranked: memories.flatMap((found) => turnsOf.get(found.memory.id) ?? []) })
      }
    }
    return recallAt10(answers)
  }
  return { ask, close: () => vault[Symbol.asyncDispose]() }
}

type Find = (conversation: number, question: string) => ReadonlyArray<string>

const qualityRow = (
  id: string,
  peerName: string,
  target: number,
  openPeer: (conversations: ReadonlyArray<Conversation>) => Promise<{ readonly find: Find; readonly close: () => void }>
): Workload => ({
  id,
  unit: "% of evidence in the top 10 on LoCoMo",
  peerName,
  better: "higher",
  target,
  open: async () => {
    const conversations = readLocomo()
    const vault = await openVault(conversations)
    const peer = await openPeer(conversations)
    return {
      ours: () => grade(vault.ask),
      peer: () =>
        grade(async () =>
          recallAt10(
            conversations.flatMap(({ questions }, i) =>
              questions.map(({ evidence, question }) => ({ evidence, ranked: peer.find(i, question) }))
            )
          )
        ),
      close: async () => {
        peer.close()
        await vault.close()
      }
    }
  }
})

const fullTextRow = qualityRow(
  "recall.locomo.fts5",
  "FTS5 BM25, Porter stems, stop words dropped",
  1.15,
  async (conversations) => {
    const database = await openDatabase(":memory:")
    const searches = conversations.map(({ turns }, i) => {
      database.exec(`CREATE VIRTUAL TABLE turns${i} USING fts5 (text, id UNINDEXED, tokenize = 'porter unicode61')`)
      const insert = database.prepare(`INSERT INTO turns${i} (text, id) VALUES (?, ?)`)
      for (const { id, speaker, text } of turns) insert.run(`${speaker}: ${text}`, id)
      return database.prepare(`SELECT id FROM turns${i} WHERE turns${i} MATCH ? ORDER BY rank LIMIT 10`)
    })
    return {
      find: (conversation, question) => {
        const match = matchExpression(question)
        return match === "" ? [] : (searches[conversation]?.all(match) ?? []).map(idOf)
      },
      close: () => database.close()
    }
  }
)

const miniSearchRow = qualityRow(
  "recall.locomo.minisearch",
  "minisearch 7.2.0 BM25+, stop words dropped",
  1.1,
  async (conversations) => {
    const searches = await Promise.all(conversations.map(async ({ turns }) => {
      const index = await openSearch((term) => isStopWord(term.toLowerCase()) ? null : term.toLowerCase())
      index.addAll(turns.map(({ id, speaker, text }) => ({ id, text: `${speaker}: ${text}` })))
      return index
    }))
    return {
      find: (conversation, question) =>
        (searches[conversation]?.search(question) ?? []).slice(0, 10).map(({ id }) => id),
      close: () => undefined
    }
  }
)

const workloads: ReadonlyArray<Workload> = [recallRow, saveRow, fullTextRow, miniSearchRow, compressedRow]

export default workloads
