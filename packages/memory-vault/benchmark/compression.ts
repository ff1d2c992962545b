// @effect-diagnostics asyncFunction:off a benchmark is a plain program
import { createMemoryVault } from "@sennit/memory-vault/Promise"
import { readLocomo, recallAt10 } from "./corpus.ts"
import type { Workload } from "./workload.ts"

/** Every conversation saved turn by turn for a user of its own; every question asked of it. */
const openVault = async (compressed: boolean) => {
  const vault = createMemoryVault({ filename: ":memory:" })
  const scopes = await Promise.all(
    readLocomo().map(async ({ questions, turns }, i) => {
      const memory = vault.scoped({ user: `conversation ${i}` })
      const turnsOf = new Map<string, Array<string>>()
      for (const { id, session, speaker, text } of turns) {
        const { memories } = await memory.save({ text, speaker, sessionId: session })
        for (const saved of memories) turnsOf.set(saved.id, [...(turnsOf.get(saved.id) ?? []), id])
      }
      if (compressed) {
        const job = await memory.jobs.await((await memory.compress({ ratio: 0.25 })).id)
        if (
          job.state !== "done" || job.total === undefined || job.done < job.total ||
          job.tokensAfter * 4 > job.tokensBefore
        ) {
          throw new Error(`not every session was compressed to a quarter: ${JSON.stringify(job)}`)
        }
      }
      return { memory, questions, turnsOf }
    })
  )
  const ask = async () => {
    const cpu = process.cpuUsage()
    const answers = []
    for (const { memory, questions, turnsOf } of scopes) {
      for (const { evidence, question } of questions) {
        const { memories } = await memory.recall({ query: question, topK: 10, tokenBudget: 100_000 })
        answers.push({ evidence, ranked: memories.flatMap((found) => turnsOf.get(found.memory.id) ?? []) })
      }
    }
    const { system, user } = process.cpuUsage(cpu)
    return { value: recallAt10(answers), cpuMs: (system + user) / 1_000 }
  }
  return { ask, close: () => vault[Symbol.asyncDispose]() }
}

/** What compression costs in recall: the same vault, the same questions, with every session compressed to a quarter. */
export const compressedRow: Workload = {
  id: "locomo.compressed",
  unit: "% of evidence in the top 10 on LoCoMo, sessions compressed to 25 %",
  peerName: "the same vault uncompressed",
  better: "higher",
  target: 0.99,
  open: async () => {
    const [ours, peer] = [await openVault(true), await openVault(false)]
    return {
      ours: ours.ask,
      peer: peer.ask,
      close: async () => {
        await ours.close()
        await peer.close()
      }
    }
  }
}
