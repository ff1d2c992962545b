import * as Effect from "effect/Effect"
import { compareMany, divideMany } from "../test/fuzz/compareResponses.ts"
import { compareWebSockets, loadWs } from "../test/fuzz/compareWebSockets.ts"
import { loadLlhttp } from "../test/fuzz/llhttp.ts"
import { faults } from "./faults.ts"
import { interruption } from "./interruption.ts"
import { streams } from "./streams.ts"

export interface SoakOptions {
  readonly minutes: number
  readonly quick: boolean
}

export interface SoakResult {
  readonly ok: boolean
  readonly figures: ReadonlyArray<string>
}

interface SoakCheck {
  readonly id: string
  readonly run: (options: SoakOptions) => Promise<SoakResult>
}

const newSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 1

const fuzz: SoakCheck = {
  id: "fuzz.llhttp",
  run: async ({ quick }) => {
    const seed = newSeed()
    const count = quick ? 100_000 : 1_000_000
    const { details, tally } = compareMany(loadLlhttp(), seed, count)
    return {
      ok: tally.disagreement === 0,
      figures: [
        `seed ${seed}`,
        `${count} inputs`,
        ...Object.entries(tally).map(([name, n]) => `${n} ${name}`),
        ...details
      ]
    }
  }
}

const webSockets: SoakCheck = {
  id: "fuzz.ws",
  run: async ({ quick }) => {
    const seed = newSeed()
    const count = quick ? 50_000 : 1_000_000
    const { details, tally } = await Effect.runPromise(
      Effect.flatMap(loadWs, (ws) => compareWebSockets(ws, seed, count))
    )
    return {
      ok: details.length === 0,
      figures: [
        `seed ${seed}`,
        `${count} inputs`,
        ...Object.entries(tally).map(([name, n]) => `${n} ${name}`),
        ...details
      ]
    }
  }
}

const divisions: SoakCheck = {
  id: "divisions",
  run: async ({ quick }) => {
    const seed = newSeed()
    const count = quick ? 10_000 : 100_000
    const details = divideMany(seed, count)
    return {
      ok: details.length === 0,
      figures: [`seed ${seed}`, `${count} responses byte by byte and divided at random`, ...details]
    }
  }
}

const checks: ReadonlyArray<SoakCheck> = [
  { id: "interruption", run: interruption(newSeed) },
  { id: "streams", run: streams },
  { id: "faults", run: faults(newSeed) },
  divisions,
  fuzz,
  webSockets
]

export default checks
