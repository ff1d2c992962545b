// @effect-diagnostics nodeBuiltinImport:off the data is a file, read before any test runs
import { existsSync, readFileSync } from "node:fs"

const file = new URL("../../../../../shared/data/locomo/locomo-dev.json", import.meta.url)

export const isPresent = existsSync(file)

interface Turn {
  readonly speaker: string
  readonly dia_id: string
  readonly text: string
  readonly blip_caption?: string
}

interface Sample {
  readonly sample_id: string
  readonly conversation: Readonly<Record<string, ReadonlyArray<Turn>>>
  readonly qa: ReadonlyArray<{ readonly question: string; readonly evidence?: ReadonlyArray<string> }>
}

export interface Conversation {
  readonly name: string
  readonly turns: ReadonlyArray<{
    readonly id: string
    readonly session: string
    readonly speaker: string
    readonly text: string
  }>
  readonly questions: ReadonlyArray<{ readonly question: string; readonly evidence: ReadonlySet<string> }>
}

/** The five conversations; only questions whose evidence names turns that exist. */
export const readConversations = (): ReadonlyArray<Conversation> => {
  const samples: ReadonlyArray<Sample> = JSON.parse(readFileSync(file, "utf8"))
  return samples.map(({ conversation, qa, sample_id }) => {
    const sessions = Object.keys(conversation)
      .filter((key) => /^session_\d+$/.test(key))
      .toSorted((a, b) => Number(a.slice(8)) - Number(b.slice(8)))
    const turns = sessions.flatMap((session) =>
      (conversation[session] ?? []).map(({ blip_caption, dia_id, speaker, text }) => ({
        id: dia_id,
        session,
        speaker,
        text: blip_caption === undefined ? text : `${text} [shares ${blip_caption}]`
      }))
    )
    const known = new Set(turns.map(({ id }) => id))
    const questions = qa
      .map(({ evidence = [], question }) => ({ question, evidence: new Set(evidence.filter((id) => known.has(id))) }))
      .filter(({ evidence }) => evidence.size > 0)
    return { name: sample_id, turns, questions }
  })
}

export const depths = [5, 10, 20, 50] as const

/** Mean share of a question's evidence among the first k, in percent, for each depth. */
export const meanRecall = (
  answers: ReadonlyArray<{ readonly evidence: ReadonlySet<string>; readonly ranked: ReadonlyArray<string> }>
): ReadonlyArray<number> =>
  depths.map((depth) => {
    const shares = answers.map(({ evidence, ranked }) => {
      const top = new Set(ranked.slice(0, depth))
      return [...evidence].filter((id) => top.has(id)).length / evidence.size
    })
    return 100 * shares.reduce((sum, share) => sum + share, 0) / shares.length
  })
