// @effect-diagnostics asyncFunction:off nodeBuiltinImport:off a benchmark is a plain program
import { compressedRow } from "./compression.ts"
import { readLocomo, recallAt10 } from "./corpus.ts"
import type { Conversation } from "./corpus.ts"
import { askAll, locomoRows } from "./locomo.ts"
import { mem0Rows } from "./mem0.ts"
import { isStopWord, matchExpression, openDatabase, openSearch } from "./peers.ts"
import { scaleRows } from "./scale.ts"
import { grade } from "./workload.ts"
import type { Workload } from "./workload.ts"

const idOf = (row: unknown): string => typeof row === "object" && row !== null && "id" in row ? String(row.id) : ""

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
  fullTextRow,
  miniSearchRow
]

export default workloads
