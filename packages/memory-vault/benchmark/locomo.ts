// @effect-diagnostics asyncFunction:off a benchmark is a plain program
import { createMemoryVault } from "@sennit/memory-vault/Promise"
import { readLocomo } from "./corpus.ts"
import type { Turn } from "./corpus.ts"
import { isStopWord } from "./peers.ts"
import { grade, promise } from "./workload.ts"
import type { Workload } from "./workload.ts"

interface Answer {
  readonly evidence: ReadonlySet<string>
  /** Turns, best first. */
  readonly ranked: ReadonlyArray<string>
  readonly sessionOf: ReadonlyMap<string, string>
  /** No turn of the evidence shares a content word with the question, but for names of speakers. */
  readonly isZero: boolean
  /** The turns inside a block of so many tokens. */
  readonly blocks: ReadonlyMap<number, ReadonlySet<string>>
}

const budgets = [500, 2_000]

/** Words without their commonest endings: enough to tell that two texts share none. */
const contentOf = (text: string): ReadonlyArray<string> =>
  (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
    .filter((word) => !isStopWord(word))
    .map((word) => word.replace(/(?:'s|ies|ing|ed|es|s|y|e)$/, ""))

const sharesWord = (question: string, turn: Turn | undefined): boolean => {
  const words = new Set(contentOf(question))
  for (const name of contentOf(turn?.speaker ?? "")) words.delete(name)
  return contentOf(turn?.text ?? "").some((word) => words.has(word))
}

/** Every conversation saved turn by turn for a user of its own, every question recalled; all by the public interface. */
const ask = async (): Promise<ReadonlyArray<Answer>> => {
  await using vault = createMemoryVault({ filename: ":memory:" })
  const answers: Array<Answer> = []
  for (const [i, { questions, turns }] of readLocomo().entries()) {
    const memory = vault.scoped({ user: `conversation ${i}` })
    const turnsOf = new Map<string, Array<string>>()
    for (const { id, session, speaker, text, time } of turns) {
      const { memories } = await memory.save({ text, speaker, sessionId: session, eventTime: time })
      for (const saved of memories) turnsOf.set(saved.id, [...(turnsOf.get(saved.id) ?? []), id])
    }
    const byId = new Map(turns.map((turn) => [turn.id, turn]))
    const sessionOf = new Map(turns.map(({ id, session }) => [id, session]))
    const recall = async (query: string, topK: number, tokenBudget: number) => {
      const { memories } = await memory.recall({ query, topK, tokenBudget })
      return memories.flatMap((found) => turnsOf.get(found.memory.id) ?? [])
    }
    for (const { evidence, question } of questions) {
      const blocks = new Map<number, ReadonlySet<string>>()
      for (const budget of budgets) blocks.set(budget, new Set(await recall(question, 100, budget)))
      answers.push({
        evidence,
        ranked: await recall(question, 50, 1_000_000),
        sessionOf,
        isZero: ![...evidence].some((id) => sharesWord(question, byId.get(id))),
        blocks
      })
    }
  }
  return answers
}

let asked: Promise<ReadonlyArray<Answer>> | undefined

/** The answers are the same every time, so they are worked out once. */
export const askAll = (): Promise<ReadonlyArray<Answer>> => asked ??= ask()

const mean = (answers: ReadonlyArray<Answer>, score: (answer: Answer) => number): number =>
  100 * answers.reduce((sum, answer) => sum + score(answer), 0) / answers.length

const shareIn = (found: ReadonlySet<string>, wanted: ReadonlySet<string>): number =>
  [...wanted].filter((id) => found.has(id)).length / wanted.size

const foundAt = (depth: number) => ({ evidence, ranked }: Answer): number =>
  shareIn(new Set(ranked.slice(0, depth)), evidence)

/** Sessions rank as their best turn does. */
const sessionsAt = (depth: number) => ({ evidence, ranked, sessionOf }: Answer): number => {
  const inOrder = [...new Set(ranked.map((id) => sessionOf.get(id) ?? ""))]
  return shareIn(new Set(inOrder.slice(0, depth)), new Set([...evidence].map((id) => sessionOf.get(id) ?? "")))
}

const row = (
  id: string,
  unit: string,
  promised: number,
  score: (answer: Answer) => number,
  of: (answer: Answer) => boolean = () => true
): Workload =>
  promise({
    id,
    unit,
    better: "higher",
    promised,
    measure: async () => ({
      ours: () => grade(async () => mean((await askAll()).filter(of), score)),
      close: () => Promise.resolve()
    })
  })

export const locomoRows: ReadonlyArray<Workload> = [
  ...([[5, 69], [10, 80], [20, 87], [50, 92]] as const).map(([depth, promised]) =>
    row(`locomo.r${depth}`, `% of evidence in the top ${depth}`, promised, foundAt(depth))
  ),
  ...([[5, 90], [10, 95]] as const).map(([depth, promised]) =>
    row(`locomo.session.r${depth}`, `% of sessions with evidence in the top ${depth}`, promised, sessionsAt(depth))
  ),
  row(
    "locomo.zero.r20",
    "% of evidence in the top 20, where it shares no word with the question",
    40,
    foundAt(20),
    ({ isZero }) => isZero
  ),
  ...([[500, 80], [2_000, 91]] as const).map(([budget, promised]) =>
    row(
      `locomo.budget.${budget}`,
      `% of evidence in a block of ${budget} tokens`,
      promised,
      ({ blocks, evidence }) => shareIn(blocks.get(budget) ?? new Set(), evidence)
    )
  )
]
