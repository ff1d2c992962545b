// @effect-diagnostics nodeBuiltinImport:off preferSchemaOverJson:off globalRandom:off a benchmark reads a file
import { existsSync, readFileSync } from "node:fs"

export interface Turn {
  readonly id: string
  readonly session: string
  readonly speaker: string
  readonly text: string
}

export interface Conversation {
  readonly turns: ReadonlyArray<Turn>
  readonly questions: ReadonlyArray<{ readonly question: string; readonly evidence: ReadonlySet<string> }>
}

interface Sample {
  readonly conversation: Readonly<
    Record<
      string,
      ReadonlyArray<{
        readonly speaker: string
        readonly dia_id: string
        readonly text: string
        readonly blip_caption?: string
      }>
    >
  >
  readonly qa: ReadonlyArray<{ readonly question: string; readonly evidence?: ReadonlyArray<string> }>
}

const file = new URL("../../../../shared/data/locomo/locomo-dev.json", import.meta.url)

/** LoCoMo (Maharana et al. 2024): five conversations; questions whose evidence names turns that exist. */
export const readLocomo = (): ReadonlyArray<Conversation> => {
  if (!existsSync(file)) throw new Error("shared/data/locomo is absent: this row needs LoCoMo")
  const samples: ReadonlyArray<Sample> = JSON.parse(readFileSync(file, "utf8"))
  return samples.map(({ conversation, qa }) => {
    const turns = Object.keys(conversation)
      .filter((key) => /^session_\d+$/.test(key))
      .toSorted((a, b) => Number(a.slice(8)) - Number(b.slice(8)))
      .flatMap((session) =>
        (conversation[session] ?? []).map(({ blip_caption, dia_id, speaker, text }) => ({
          id: dia_id,
          session,
          speaker,
          text: blip_caption === undefined ? text : `${text} [shares ${blip_caption}]`
        }))
      )
    const known = new Set(turns.map(({ id }) => id))
    return {
      turns,
      questions: qa
        .map(({ evidence = [], question }) => ({ question, evidence: new Set(evidence.filter((id) => known.has(id))) }))
        .filter(({ evidence }) => evidence.size > 0)
    }
  })
}

/** Mean share of the evidence among the first ten, in percent. */
export const recallAt10 = (
  answers: ReadonlyArray<{ readonly evidence: ReadonlySet<string>; readonly ranked: ReadonlyArray<string> }>
): number => {
  const shares = answers.map(({ evidence, ranked }) => {
    const top = new Set(ranked.slice(0, 10))
    return [...evidence].filter((id) => top.has(id)).length / evidence.size
  })
  return 100 * shares.reduce((sum, share) => sum + share, 0) / shares.length
}

/** Turns of about 30 words with word frequencies like those of speech; the same for every run. */
export const makeTurns = (count: number, from = 0): ReadonlyArray<Turn> => {
  let state = 1 + from
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const word = () => `word${Math.floor(3_000 * next() ** 3)}`
  return Array.from({ length: count }, (_, i) => ({
    id: `${from + i}`,
    session: `session ${Math.floor((from + i) / 20)}`,
    speaker: i % 2 === 0 ? "Ann" : "Bob",
    text: `${Array.from({ length: 20 + Math.floor(20 * next()) }, word).join(" ")} unique${from + i}.`
  }))
}
