// @effect-diagnostics asyncFunction:off nodeBuiltinImport:off a benchmark is a plain program
import { Effect, Redacted, Stream } from "effect"
import { rm, stat } from "node:fs/promises"
import path from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setImmediate } from "node:timers/promises"
import { makeSpeech, readLocomo } from "./corpus.ts"
import type { Turn } from "./corpus.ts"
import { matchExpression, openDatabase } from "./peers.ts"
import { expectThat, grade, makeFolder, openFile, promise } from "./workload.ts"
import type { Workload } from "./workload.ts"

const toInput = ({ session, speaker, text, time }: Turn) => ({ text, speaker, sessionId: session, eventTime: time })

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? 0

/** The median of single calls, in milliseconds. */
const timeEach = async <A>(items: ReadonlyArray<A>, call: (item: A) => Promise<void>): Promise<number> => {
  const times: Array<number> = []
  for (const item of items) {
    const start = performance.now()
    await call(item)
    times.push(performance.now() - start)
  }
  return median(times)
}

const queriesOf = (count: number) =>
  readLocomo().flatMap(({ questions }) => questions.map(({ question }) => question)).slice(0, count)

/** A vault in a file with so many turns of one user. */
const openFilled = async (count: number) => {
  const folder = await makeFolder()
  const { memory, runtime } = await openFile(folder)
  const turns = makeSpeech(count)
  await runtime.runPromise(Stream.runDrain(memory.saveAll(Stream.fromIterable(turns.map(toInput)))))
  const recall = (query: string) =>
    runtime.runPromise(
      Effect.map(memory.recall({ query, topK: 20, tokenBudget: 2_000 }), ({ memories, promptBlock }) => {
        expectThat(memories.length > 0 && promptBlock.endsWith("</memory>"), `a block that answers "${query}"`)
      })
    )
  const close = async () => {
    await runtime.dispose()
    await rm(folder, { recursive: true })
  }
  return { turns, recall, close }
}

const recallRow = (id: string, count: number, promised: number): Workload =>
  promise({
    id,
    unit: "ms p50, top 20 and a block of 2,000 tokens",
    better: "lower",
    promised,
    measure: async () => {
      const { close, recall } = await openFilled(count)
      return { ours: () => grade(() => timeEach(queriesOf(100), recall)), close }
    }
  })

/** Saves of 200 turns at a time, each by itself. */
const openSaves = async (key?: Redacted.Redacted<Uint8Array>) => {
  const folder = await makeFolder()
  const { memory, runtime } = await openFile(folder, key)
  let turns = makeSpeech(20_000)
  return {
    ours: () => {
      const some = turns.slice(0, 200)
      turns = turns.slice(200)
      return grade(() =>
        timeEach(some, (turn) =>
          runtime.runPromise(Effect.map(memory.save(toInput(turn)), ({ created }) => {
            expectThat(created === 1, "one memory is new")
          })))
      )
    },
    close: async () => {
      await runtime.dispose()
      await rm(folder, { recursive: true })
    }
  }
}

const saveEachRow = promise({
  id: "save.p50",
  unit: "ms p50, a transaction each",
  better: "lower",
  promised: 1.5,
  measure: () => openSaves()
})

const saveBatchRow = promise({
  id: "save.batch",
  unit: "turns/s through saveAll",
  better: "higher",
  promised: 3_000,
  measure: async () => {
    const folder = await makeFolder()
    const { memory, runtime } = await openFile(folder)
    const count = 2_000
    let turns = makeSpeech(40 * count)
    return {
      ours: () => {
        const some = turns.slice(0, count).map(toInput)
        turns = turns.slice(count)
        return grade(async () => {
          const start = performance.now()
          const saved = await runtime.runPromise(Stream.runCount(memory.saveAll(Stream.fromIterable(some))))
          expectThat(saved === count, "a result for each turn")
          return 1_000 * count / (performance.now() - start)
        })
      },
      close: async () => {
        await runtime.dispose()
        await rm(folder, { recursive: true })
      }
    }
  }
})

/** What any hybrid must do: one full-text query, one dot product with every vector, the texts of the best. */
const openFloor = async (turns: ReadonlyArray<Turn>) => {
  const folder = await makeFolder()
  const database = await openDatabase(path.join(folder, "peer.db"))
  database.exec("CREATE VIRTUAL TABLE turns USING fts5 (text, id UNINDEXED, tokenize = 'porter unicode61')")
  const insert = database.prepare("INSERT INTO turns (text, id) VALUES (?, ?)")
  database.exec("BEGIN")
  for (const { id, speaker, text } of turns) insert.run(`${speaker}: ${text}`, id)
  database.exec("COMMIT")
  const search = database.prepare("SELECT id, text FROM turns WHERE turns MATCH ? ORDER BY rank LIMIT 20")
  const dimension = 256
  const vectors = new Float32Array(turns.length * dimension).map((_, i) => Math.sin(i))
  const query = new Float32Array(dimension).map((_, i) => Math.cos(i))
  const scan = () => {
    let best = -Infinity
    for (let start = 0; start < vectors.length; start += dimension) {
      let sum = 0
      for (let i = 0; i < dimension; i++) sum += query[i]! * vectors[start + i]!
      if (sum > best) best = sum
    }
    return best
  }
  return {
    find: (question: string) => {
      expectThat(search.all(matchExpression(question)).length > 0 && scan() > -Infinity, `texts for "${question}"`)
      return Promise.resolve()
    },
    close: async () => {
      database.close()
      await rm(folder, { recursive: true })
    }
  }
}

const overheadRow: Workload = {
  id: "overhead",
  unit: "ms p50 at 10,000 turns",
  peerName: "better-sqlite3 FTS5 query and exact scan of 10,000 x 256 float32, no block",
  better: "lower",
  target: 1.5,
  open: async () => {
    const filled = await openFilled(10_000)
    const floor = await openFloor(filled.turns)
    const queries = queriesOf(100)
    return {
      ours: () => grade(() => timeEach(queries, filled.recall)),
      peer: () => grade(() => timeEach(queries, floor.find)),
      close: async () => {
        await filled.close()
        await floor.close()
      }
    }
  }
}

const loopRow = promise({
  id: "loop.delay",
  unit: "ms, p99 of the event loop's delay while recalling among 10,000",
  better: "lower",
  promised: 15,
  measure: async () => {
    const { close, recall } = await openFilled(10_000)
    return {
      ours: () =>
        grade(async () => {
          const delay = monitorEventLoopDelay({ resolution: 1 })
          delay.enable()
          for (const query of queriesOf(200)) {
            await recall(query)
            await setImmediate()
          }
          delay.disable()
          return delay.percentile(99) / 1e6
        }),
      close
    }
  }
})

const sizeOf = async (folder: string): Promise<number> => (await stat(path.join(folder, "vault.db"))).size

/** `forgetAll` moves the log into the file, so the file alone tells. */
const diskRow = (id: string, unit: string, promised: number, pick: (first: number, again: number) => number) =>
  promise({
    id,
    unit,
    better: "lower",
    promised,
    measure: async () => ({
      ours: () =>
        grade(async () => {
          const folder = await makeFolder()
          const turns = makeSpeech(5_000).map(toInput)
          const fill = async (andForget: boolean) => {
            const { memory, runtime } = await openFile(folder)
            await runtime.runPromise(Stream.runDrain(memory.saveAll(Stream.fromIterable(turns))))
            if (andForget) await runtime.runPromise(memory.forgetAll({ confirm: true }))
            await runtime.dispose()
            return sizeOf(folder)
          }
          const first = await fill(true)
          const again = await fill(false)
          await rm(folder, { recursive: true })
          return pick(first, again)
        }),
      close: () => Promise.resolve()
    })
  })

const masterKey = Redacted.make<Uint8Array>(new Uint8Array(32).fill(7))

/** From opening the file to the first answer, which reads the index of 10,000 memories. */
const openCold = async (key?: Redacted.Redacted<Uint8Array>) => {
  const folder = await makeFolder()
  const filled = await openFile(folder, key)
  const turns = makeSpeech(10_000).map(toInput)
  await filled.runtime.runPromise(Stream.runDrain(filled.memory.saveAll(Stream.fromIterable(turns))))
  await filled.runtime.dispose()
  const [query = ""] = queriesOf(1)
  const ours = () =>
    grade(async () => {
      const begun = performance.now()
      const { memory, runtime } = await openFile(folder, key)
      const { memories } = await runtime.runPromise(memory.recall(query))
      const millis = performance.now() - begun
      expectThat(memories.length > 0, `memories that answer "${query}"`)
      await runtime.dispose()
      return millis
    })
  return { ours, close: () => rm(folder, { recursive: true }) }
}

/** An encrypted vault beside one in clear. */
const cipherRow = (
  id: string,
  unit: string,
  open: (key?: Redacted.Redacted<Uint8Array>) => ReturnType<typeof openSaves>
): Workload => ({
  id,
  unit,
  peerName: "the same vault in clear",
  better: "lower",
  target: 1.5,
  open: async () => {
    const [sealed, clear] = [await open(masterKey), await open()]
    return {
      ours: sealed.ours,
      peer: clear.ours,
      close: async () => {
        await sealed.close()
        await clear.close()
      }
    }
  }
})

export const scaleRows: ReadonlyArray<Workload> = [
  saveEachRow,
  cipherRow("cipher.save", "ms p50, a transaction each, encrypted", openSaves),
  cipherRow("cipher.cold", "ms until the first recall among 10,000, encrypted", openCold),
  saveBatchRow,
  recallRow("recall.1k", 1_000, 2),
  recallRow("recall.10k", 10_000, 6),
  recallRow("recall.100k", 100_000, 15),
  overheadRow,
  loopRow,
  diskRow("disk", "bytes a turn in the file", 1_500, (first) => first / 5_000),
  diskRow("disk.growth", "size when as much was saved again after forgetAll", 1, (first, again) => again / first)
]
