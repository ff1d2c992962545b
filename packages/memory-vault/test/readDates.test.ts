import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import { Effect } from "effect"
import { userMemory, within } from "./support/vaultFile.ts"

const days = ["2023-05-07", "2023-06-20", "2023-12-31", "2024-05-20"]

/** The day that is told first of a query whose words fit each of them alike. */
const firstDay = (query: string) =>
  Effect.gen(function*() {
    const memory = yield* userMemory("ann")
    for (const [i, day] of days.entries()) {
      yield* memory.save({ text: `The club met for supper number ${"abcd"[i]}.`, eventTime: `${day}T18:00:00Z` })
    }
    const { memories } = yield* memory.recall({ query, explain: true })
    const { memory: first, signals } = memories[0]!
    return { day: days.find((day) => first.text.includes(`number ${"abcd"[days.indexOf(day)]}`)), time: signals?.time }
  }).pipe(within(MemoryVault.layerMemory))

describe("a date in a question", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["Which supper had the club on 7 May 2023?", "2023-05-07"],
    ["Which supper had the club on May 7th, 2023?", "2023-05-07"],
    ["Which supper had the club on 2023-06-20?", "2023-06-20"],
    ["Which supper had the club in June?", "2023-06-20"],
    ["Which supper had the club in Dec 2023?", "2023-12-31"],
    ["Which supper had the club on New Year, 1 January 2024?", "2023-12-31"],
    ["Which supper had the club in 2024?", "2024-05-20"]
  ]
  for (const [query, day] of cases) {
    it.effect(`finds what happened then: ${query}`, () =>
      Effect.gen(function*() {
        expect((yield* firstDay(query)).day).toBe(day)
      }))
  }

  it.effect("is not read out of a verb, a time that is none, or a number", () =>
    Effect.gen(function*() {
      for (
        const query of ["May the club march to supper?", "Supper on 2023-13-45?", "Did 2023 people come to supper?"]
      ) {
        expect((yield* firstDay(query)).time).toBe(0)
      }
    }))
})
