/** What is measured with processes and threads of its own. */
import { Agent, ChatModel, Documents, Files } from "@sennit/agent"
import { Effect, Layer, Stream } from "effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { drawLines, writePdf } from "../test/support/writePdf.ts"
import { doneIn, inFolder, journaled, model, tracing } from "./journaled.ts"
import type { Run } from "./peers.ts"

/** How long it takes, in ms. */
export const timed = <A, E>(effect: Effect.Effect<A, E>): Promise<number> => {
  const startedAt = performance.now()
  return Effect.runPromise(effect).then(() => performance.now() - startedAt)
}

const start = (module: string, ...args: ReadonlyArray<string>) =>
  fork(new URL(module, import.meta.url), args, { execArgv: ["--import", "tsx", "--expose-gc"] })

/** Seconds from the start of the layers to the next event of a run whose process was killed. */
export const resumeKilled = () =>
  inFolder(async (folder) => {
    const child = start("leaveRun.ts", folder)
    await once(child, "message")
    child.kill("SIGKILL")
    await once(child, "exit")
    const finished = doneIn(folder)
    const agent = tracing(folder)
    const goOn = Effect.gen(function*() {
      const { seq } = yield* Agent.resume(agent, "r")
      yield* Stream.runHead(Agent.attach("r", { after: seq }))
    }).pipe(Effect.provide(journaled(folder)), Effect.provideService(ChatModel.ChatModel, model))
    const ms = await timed(goOn)
    const again = doneIn(folder).length - finished.length
    if (finished.length !== 3 || again !== 0) throw new Error(`${finished.length} had finished, ${again} ran again`)
    return ms / 1000
  })

/** KB over what the process had before, for each of 1,000 conversations that stream. */
export const memory = (url: string) => async () => {
  const child = start("runMany.ts", url)
  const [perRun] = await once(child, "message")
  return Number(perRun)
}

const pages = 50
const documents = 6

const linesOf = (document: number, page: number) =>
  Array.from({ length: 40 }, (_, line) => `Line ${line} of page ${page} of document ${document}`)

const writeDocument = (document: number) =>
  writePdf(Array.from({ length: pages }, (_, page) => drawLines(linesOf(document, page))))

/** 99th percentile of the delay of the event loop, in ms, while PDFs are read and 100 runs stream. */
export const extract = (run: Run) => {
  let written = 0
  return async () => {
    // Other contents each time, so that none is remembered.
    const files = Array.from({ length: documents }, () => [`${++written}.pdf`, writeDocument(written)] as const)
    const reading = Effect.forEach(
      files,
      ([name]) => Effect.flatMap(Documents.Documents, (reader) => reader.read(name)),
      { concurrency: "unbounded" }
    ).pipe(Effect.provide(Layer.merge(Documents.layer(), Files.layerMemory(Object.fromEntries(files)))))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const [texts] = await Promise.all([Effect.runPromise(reading), ...Array.from({ length: 100 }, () => run())])
    delay.disable()
    if (texts.some(({ pageStarts }) => pageStarts.length !== pages)) throw new Error("A document was not read")
    return delay.percentile(99) / 1e6 - 1
  }
}
