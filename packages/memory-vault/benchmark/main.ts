// @effect-diagnostics asyncFunction:off nodeBuiltinImport:off a benchmark is a plain program
import { Effect } from "effect"
import { rm } from "node:fs/promises"
import path from "node:path"
import { compressedRow } from "./compression.ts"
import { makeTurns, readLocomo, recallAt10 } from "./corpus.ts"
import type { Conversation } from "./corpus.ts"
import { askAll, locomoRows } from "./locomo.ts"
import { mem0Rows } from "./mem0.ts"
import { isStopWord, matchExpression, openDatabase, openSearch } from "./peers.ts"
import { scaleRows } from "./scale.ts"
import { clock, expectThat, grade, makeFolder, openFile } from "./workload.ts"
import type { Workload } from "./workload.ts"

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
    const peer = await openPeer(conversations)
    return {
      ours: () => grade(async () => recallAt10((await askAll()).map(({ evidence, ranked }) => ({ evidence, ranked })))),
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

const workloads: ReadonlyArray<Workload> = [
  ...locomoRows,
  compressedRow,
  ...scaleRows,
  ...mem0Rows,
  recallRow,
  saveRow,
  fullTextRow,
  miniSearchRow
]

export default workloads
