// @effect-diagnostics nodeBuiltinImport:off preferSchemaOverJson:off globalRandom:off globalDate:off a benchmark reads a file
import { existsSync, readFileSync } from "node:fs"

export interface Turn {
  readonly id: string
  readonly session: string
  readonly speaker: string
  readonly text: string
  /** ISO 8601; of the session. */
  readonly time: string
}

export interface Conversation {
  readonly turns: ReadonlyArray<Turn>
  readonly questions: ReadonlyArray<{ readonly question: string; readonly evidence: ReadonlySet<string> }>
}

interface SampleTurn {
  readonly speaker: string
  readonly dia_id: string
  readonly text: string
  readonly blip_caption?: string
}

interface Sample {
  readonly conversation: Readonly<Record<string, string | ReadonlyArray<SampleTurn>>>
  readonly qa: ReadonlyArray<{ readonly question: string; readonly evidence?: ReadonlyArray<string> }>
}

/** "1:56 pm on 8 May, 2023" as ISO 8601. */
const toIso = (words: string): string => {
  const [, hour, minute, half, day, month, year] = /(\d+):(\d+) (am|pm) on (\d+) (\w+), (\d+)/.exec(words) ?? []
  if (year === undefined) throw new Error(`no time: ${words}`)
  const months = "January February March April May June July August September October November December".split(" ")
  return new Date(Date.UTC(
    Number(year),
    months.indexOf(month ?? ""),
    Number(day),
    Number(hour) % 12 + (half === "pm" ? 12 : 0),
    Number(minute)
  )).toISOString()
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
      .flatMap((session) => {
        const said = conversation[session]
        const time = toIso(String(conversation[`${session}_date_time`]))
        return (typeof said === "string" ? [] : said ?? []).map(({ blip_caption, dia_id, speaker, text }) => ({
          id: dia_id,
          session,
          speaker,
          text: blip_caption === undefined ? text : `${text} [shares ${blip_caption}]`,
          time
        }))
      })
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

/**
 * Turns with the words of LoCoMo in new sentences: each word is followed by one that follows it there (a chain of order
 * 1), so lengths, frequencies and vocabulary are those of speech while no text occurs twice. The same for every run.
 */
export const makeSpeech = (count: number): ReadonlyArray<Turn> => {
  const models = readLocomo().flatMap((conversation) => conversation.turns).map((turn) => ({
    turn,
    words: turn.text.split(/\s+/)
  }))
  const following = new Map<string, Array<string>>()
  for (const { words } of models) {
    for (const [i, word] of words.entries()) {
      const next = words[i + 1] ?? words[0]!
      const known = following.get(word)
      if (known === undefined) following.set(word, [next])
      else known.push(next)
    }
  }
  let state = 7
  const after = (word: string): string => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const known = following.get(word) ?? [word]
    return known[Math.floor(known.length * state / 2 ** 32)]!
  }
  return Array.from({ length: count }, (_, i) => {
    const { turn, words } = models[i % models.length]!
    const said = [words[0]!]
    while (said.length < words.length) said.push(after(said.at(-1)!))
    return { ...turn, id: `${i}`, session: `session ${Math.floor(i / 20)}`, text: `${said.join(" ")} (${i})` }
  })
}
