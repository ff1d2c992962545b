/**
 * Long checks of the agent: whatever happens to runs, nothing is left of them and the heap does not grow.
 */
import { Agent, AgentRuns, AgentTool, ChatModel, RunStore, Telemetry, Toolset } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

interface SoakOptions {
  readonly minutes: number
  readonly quick: boolean
}

interface SoakResult {
  readonly ok: boolean
  readonly figures: ReadonlyArray<string>
}

const atOnce = 50
const allowedSlope = 1

/** As random as a test needs, from a seed (Park and Miller's generator). */
const makeRandom = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

const work = AgentTool.make("work", {
  description: "Takes a while",
  parameters: Schema.Struct({ n: Schema.Number }),
  success: Schema.String,
  timeout: "1 second",
  handler: ({ n }, { stage }) =>
    stage.within("working", (inner) =>
      Effect.gen(function*() {
        yield* inner.append("...")
        yield* Effect.sleep(n % 4)
        return n % 7 === 0 ? yield* Effect.fail("no luck") : `did ${n}`
      }))
})

const agent = Agent.make({ name: "soak", instructions: "Work.", tools: Toolset.make(work) })

/** Calls two tools, slowly, then answers, slowly. */
const model = ChatModel.fromStream("soak", ({ messages }) => {
  const answered = messages.at(-1)?.role === "tool"
  const events = answered
    ? Scripted.text("It ", "is ", "done.")
    : Scripted.calls(["work", { n: messages.length }], ["work", { n: 7 }])
  return Stream.schedule(Stream.rechunk(Stream.fromIterable(events), 1), spaced)
})

const spaced = Schedule.spaced("1 millis")

const heap = Effect.sync(() => {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed / 2 ** 20
})

/** One run: read to its end, left in the middle, or started without a reader and stopped or not. */
const once = (random: (below: number) => number, id: number) => {
  const runId = `run-${id}`
  const stopAfter = random(12)
  const reading = Stream.runDrain(Agent.stream(agent, { message: "go", runId }))
  if (random(10) < 3) {
    return random(2) === 0
      ? Effect.as(Effect.timeoutOption(reading, stopAfter), true)
      : Agent.start(agent, { message: "go", runId }).pipe(
        Effect.zipRight(Effect.sleep(stopAfter)),
        Effect.zipRight(Agent.cancel(runId)),
        Effect.as(true)
      )
  }
  return Effect.as(
    random(2) === 0
      ? reading
      : Effect.zipRight(Agent.start(agent, { message: "go", runId }), Stream.runDrain(Agent.attach(runId))),
    false
  )
}

const runs = async ({ quick }: SoakOptions): Promise<SoakResult> => {
  const total = quick ? 2000 : 20_000
  const random = makeRandom(20_261_130)
  let id = 0
  let aborted = 0
  const some = (count: number) =>
    Effect.forEach(
      Array.from({ length: count }),
      () => Effect.map(once(random, ++id), (stopped) => (aborted += stopped ? 1 : 0)),
      { concurrency: atOnce, discard: true }
    )
  const program = Effect.gen(function*() {
    // What is made once (compiled code, the journal's last runs) is there before it is measured.
    yield* some(Math.max(1000, total / 10))
    const measured = id
    const before = yield* heap
    yield* some(total)
    yield* Effect.sleep("250 millis")
    const after = yield* heap
    return { grown: (after - before) * 10_000 / (id - measured), left: yield* Telemetry.leaks }
  })
  const { grown, left } = await Effect.runPromise(
    program.pipe(
      Effect.provide(AgentRuns.layer({ maxRunning: 2 * atOnce }).pipe(Layer.provide(RunStore.layerMemory()))),
      Effect.provideService(ChatModel.ChatModel, model)
    )
  )
  return {
    ok: left === 0 && grown <= allowedSlope,
    figures: [
      `${id} runs, ${aborted} aborted`,
      `${left} runs, model calls and tools left open`,
      `heap ${grown.toFixed(2)} MB per 10,000 runs (at most ${allowedSlope})`
    ]
  }
}

const checks: ReadonlyArray<{
  readonly id: string
  readonly run: (options: SoakOptions) => Promise<SoakResult>
}> = [{ id: "runs", run: runs }]

export default checks
