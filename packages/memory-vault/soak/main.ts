// @effect-diagnostics asyncFunction:off - the tool that runs these checks awaits them
/** Long checks: processes killed in every kind of write, processes that meet, interleaved users, compression under recall. */
import { NodeContext } from "@effect/platform-node"
import { MemoryVault } from "@sennit/memory-vault"
import { Chunk, Clock, Effect, Random, type Scope, Stream } from "effect"
import { interleave } from "../test/support/interleave.ts"
import { killWriter, laterBy, linesOf, makeOldFile, startWriter } from "../test/support/processes.ts"
import { makeFile, userMemory, within } from "../test/support/vaultFile.ts"

interface SoakOptions {
  readonly minutes: number
  readonly quick: boolean
}

interface SoakResult {
  readonly ok: boolean
  readonly figures: ReadonlyArray<string>
}

type Needs = NodeContext.NodeContext | Scope.Scope

const storedTexts = Effect.flatMap(
  userMemory("shared"),
  (memory) => Effect.map(Stream.runCollect(memory.list()), (all) => new Set(Array.from(all, ({ text }) => text)))
)

const readStored = (filename: string) =>
  Effect.gen(function*() {
    const memory = yield* userMemory("shared")
    const job = yield* Effect.flatMap(memory.compress(), ({ id }) => memory.jobs.await(id))
    return { texts: yield* storedTexts, job: job.state }
  }).pipe(within(MemoryVault.layerSqlite({ filename })), Effect.withClock(laterBy(13_000)))

/** Writers killed one after the other on a file of their own; what is wrong with it, and how much was confirmed. */
const killOn = (name: string, rounds: number) =>
  Effect.gen(function*() {
    const filename = yield* makeFile
    const texts: Array<string> = []
    const problems: Array<string> = []
    for (let round = 0; round < rounds; round++) {
      texts.push(...(yield* killWriter(filename, `${name} ${round}`, yield* Random.nextIntBetween(1, 40))))
      const found = yield* MemoryVault.verify({ filename })
      problems.push(...found.map(({ check, count }) => `${name} ${round}: ${check} ${count}`))
    }
    const stored = yield* readStored(filename)
    if (stored.job !== "done") problems.push(`the last job is ${stored.job}`)
    problems.push(...texts.filter((text) => !stored.texts.has(text)).map((text) => `lost: ${text}`))
    return { confirmed: texts.length, problems }
  })

/** Killed at random while it saves, updates, forgets and compresses. */
const kill = ({ quick }: SoakOptions) =>
  Effect.gen(function*() {
    const [files, rounds] = quick ? [2, 5] : [20, 25]
    const ended = yield* Effect.forEach(
      Array.from({ length: files }, (_, i) => `k${i}`),
      (name) => killOn(name, rounds),
      { concurrency: 2 }
    )
    const problems = ended.flatMap((one) => one.problems)
    const confirmed = ended.reduce((sum, one) => sum + one.confirmed, 0)
    return {
      ok: problems.length === 0,
      figures: [`${files * rounds} writers killed`, `${confirmed} saves confirmed`, ...problems.slice(0, 5)]
    }
  })

/** Killed at random while it brings an old file up to date. */
const migrate = ({ quick }: SoakOptions) =>
  Effect.gen(function*() {
    const rounds = quick ? 5 : 100
    const problems: Array<string> = []
    for (let round = 0; round < rounds; round++) {
      const filename = yield* makeFile
      yield* makeOldFile(filename, 2_000)
      const writer = yield* startWriter(filename, "m", "0", "open")
      yield* writer.stdout.pipe(Stream.take(1), Stream.runDrain)
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 400))
      yield* Effect.ignore(writer.kill("SIGKILL"))
      const kept = yield* Effect.flatMap(userMemory("alice"), (memory) => memory.stats).pipe(
        within(MemoryVault.layerSqlite({ filename }))
      )
      const found = yield* MemoryVault.verify({ filename })
      if (found.length > 0 || kept.memories < 2_000) problems.push(`round ${round}: ${JSON.stringify([kept, found])}`)
    }
    return { ok: problems.length === 0, figures: [`${rounds} migrations killed`, ...problems.slice(0, 3)] }
  })

/** Four processes save into one file. */
const meet = ({ quick }: SoakOptions) =>
  Effect.gen(function*() {
    const count = quick ? 250 : 1_000
    const filename = yield* makeFile
    const ended = yield* Effect.forEach(["a", "b", "c", "d"], (name) =>
      Effect.gen(function*() {
        const writer = yield* startWriter(filename, name, `${count}`)
        const lines = yield* Stream.runCollect(linesOf(writer.stdout))
        return { code: yield* writer.exitCode, texts: Chunk.toReadonlyArray(lines) }
      }), { concurrency: 4 })
    const { texts } = yield* readStored(filename)
    const lost = ended.flatMap((one) => one.texts.filter((text) => !texts.has(text)))
    const found = yield* MemoryVault.verify({ filename })
    const ok = lost.length === 0 && found.length === 0 && texts.size === 4 * count &&
      ended.every(({ code }) => code === 0)
    return { ok, figures: [`4 processes of ${count} saves`, `${texts.size} stored`, `${lost.length} lost`] }
  })

const isolation = ({ quick }: SoakOptions) =>
  Effect.gen(function*() {
    const runs = quick ? 200 : 10_000
    const steps = yield* interleave(runs, 7).pipe(within(MemoryVault.layerMemory))
    return { ok: true, figures: [`${runs} interleavings`, `${steps} steps`, "0 leaks"] }
  })

const percentile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(share * values.length)] ?? 0

/** Recall goes on while everything is compressed. */
const yielding = ({ quick }: SoakOptions) =>
  Effect.gen(function*() {
    const memory = yield* userMemory("alice")
    const sessions = quick ? 100 : 500
    yield* Stream.runDrain(memory.saveAll(Stream.map(Stream.range(0, 20 * sessions - 1), (i) => ({
      text: `Turn ${i} tells how ship${i % 997} met the storm${i % 131} near pier ${i % 61} at the end of a long day.`,
      sessionId: `s${Math.floor(i / 20)}`
    }))))
    const ask = (i: number) =>
      Effect.gen(function*() {
        const start = yield* Clock.currentTimeNanos
        yield* memory.recall({ query: `Which ship${i % 997} met storm${i % 131}?`, topK: 20 })
        const end = yield* Clock.currentTimeNanos
        // Others have their turn, as between two requests.
        yield* Effect.sleep(2)
        return Number(end - start) / 1e6
      })
    yield* Effect.forEach(Array.from({ length: 50 }, (_, i) => i), ask)
    const idle = yield* Effect.forEach(Array.from({ length: 300 }, (_, i) => i), ask)
    const { id } = yield* memory.compress()
    const busy: Array<number> = []
    for (
      let i = 0;
      (yield* memory.jobs.status(id)).pipe((job) => job._tag === "Some" && job.value.done < sessions - 1);
      i++
    ) {
      busy.push(yield* ask(i))
    }
    const [before, during] = [percentile(idle, 0.95), percentile(busy, 0.95)]
    return {
      ok: during <= 2 * before && busy.length > 50,
      figures: [
        `recall p95 idle ${before.toFixed(2)} ms`,
        `while compressing ${during.toFixed(2)} ms over ${busy.length}`
      ]
    }
  }).pipe(within(MemoryVault.layerMemory))

const asCheck = <E>(id: string, check: (options: SoakOptions) => Effect.Effect<SoakResult, E, Needs>) => ({
  id,
  run: (options: SoakOptions): Promise<SoakResult> =>
    Effect.runPromise(Effect.scoped(within(NodeContext.layer)(check(options))))
})

const checks = [
  asCheck("kill", kill),
  asCheck("migrate", migrate),
  asCheck("meet", meet),
  asCheck("isolation", isolation),
  asCheck("yielding", yielding)
]

export default checks
