// @effect-diagnostics asyncFunction:off nodeBuiltinImport:off a benchmark is a plain program
import { StaticEmbedder } from "@sennit/memory-vault"
import { Effect, Stream } from "effect"
import { rm } from "node:fs/promises"
import { createServer } from "node:http"
import path from "node:path"
import { readLocomo } from "./corpus.ts"
import { loadMem0 } from "./peers.ts"
import { clock, expectThat, makeFolder, openFile } from "./workload.ts"
import type { Sample, Workload } from "./workload.ts"

/** An embedding server on loopback that gives the vectors of the vault's own default, so both rank by the same. */
const openServer = async () => {
  const embedder = StaticEmbedder.make()
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const { input }: { input: string | ReadonlyArray<string> } = JSON.parse(Buffer.concat(chunks).toString())
      const vectors = Effect.runSync(embedder.embed(typeof input === "string" ? [input] : input))
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({
        object: "list",
        model: "static",
        usage: { prompt_tokens: 0, total_tokens: 0 },
        data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: Array.from(vector) }))
      }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { url: `http://127.0.0.1:${port}/v1`, dimension: embedder.dimension, close: () => server.close() }
}

const open = async () => {
  const folder = await makeFolder()
  const server = await openServer()
  const mem0 = await loadMem0({
    version: "v1.1",
    historyDbPath: path.join(folder, "history.db"),
    embedder: {
      provider: "openai",
      config: { apiKey: "none", model: "static", baseURL: server.url, embeddingDims: server.dimension }
    },
    vectorStore: {
      provider: "memory",
      config: { collectionName: "bench", dimension: server.dimension, dbPath: path.join(folder, "mem0.db") }
    },
    llm: { provider: "openai", config: { apiKey: "none", baseURL: server.url } }
  })
  const { memory, runtime } = await openFile(folder)
  const conversation = readLocomo()[0]!
  const close = async () => {
    await runtime.dispose()
    server.close()
    await rm(folder, { recursive: true })
  }
  return { mem0, memory, runtime, conversation, close }
}

const peerName = "mem0ai 3.3.1 oss, infer off, the same vectors from a loopback server"

const perSecond = ({ cpuMs, value }: Sample): Sample => ({ value: 1e6 / value, cpuMs })

/** A conversation that is there already, each by its own call for many: how a history is taken in. */
const saveRow: Workload = {
  id: "mem0.save",
  unit: "turns/s, a conversation of 419 turns at once",
  peerName,
  better: "higher",
  target: 10,
  open: async () => {
    const { close, conversation: { turns }, mem0, memory, runtime } = await open()
    let round = 0
    return {
      ours: async () => {
        const some = `(${round++})`
        const inputs = turns.map(({ session, speaker, text }) => ({
          text: `${text} ${some}`,
          speaker,
          sessionId: session
        }))
        return perSecond(
          await clock(turns.length, async () => {
            const results = await runtime.runPromise(Stream.runCollect(memory.saveAll(Stream.fromIterable(inputs))))
            expectThat(results.length === turns.length, "a result for each turn")
          })
        )
      },
      peer: async () => {
        const some = `(${round++})`
        const messages = turns.map(({ speaker, text }) => ({ role: "user", content: `${speaker}: ${text} ${some}` }))
        return perSecond(
          await clock(turns.length, async () => {
            const { results } = await mem0.add(messages, { userId: "bench", infer: false })
            expectThat(results.length === turns.length, "a result for each turn")
          })
        )
      },
      close
    }
  }
}

/** A turn when it is said, durable before the next. */
const saveOneRow: Workload = {
  id: "mem0.save.one",
  unit: "turns/s, one at a time",
  peerName,
  better: "higher",
  target: 2,
  open: async () => {
    const { close, conversation, mem0, memory, runtime } = await open()
    const turns = conversation.turns.slice(0, 100)
    let round = 0
    return {
      ours: async () => {
        const some = `(${round++})`
        return perSecond(
          await clock(turns.length, async () => {
            for (const { session, speaker, text } of turns) {
              const { created } = await runtime.runPromise(
                memory.save({ text: `${text} ${some}`, speaker, sessionId: session })
              )
              expectThat(created === 1, "one memory is new")
            }
          })
        )
      },
      peer: async () => {
        const some = `(${round++})`
        return perSecond(
          await clock(turns.length, async () => {
            for (const { speaker, text } of turns) {
              const { results } = await mem0.add(`${speaker}: ${text} ${some}`, { userId: "bench", infer: false })
              expectThat(results.length === 1, "one memory is new")
            }
          })
        )
      },
      close
    }
  }
}

const recallRow: Workload = {
  id: "mem0.recall",
  unit: "queries/s among 419 turns, top 10",
  peerName,
  better: "higher",
  target: 10,
  open: async () => {
    const { close, conversation, mem0, memory, runtime } = await open()
    for (const { session, speaker, text } of conversation.turns) {
      await runtime.runPromise(memory.save({ text, speaker, sessionId: session }))
      await mem0.add(`${speaker}: ${text}`, { userId: "bench", infer: false })
    }
    const queries = conversation.questions.slice(0, 50).map(({ question }) => question)
    return {
      ours: async () =>
        perSecond(
          await clock(queries.length, async () => {
            for (const query of queries) {
              const { memories } = await runtime.runPromise(memory.recall({ query, topK: 10 }))
              expectThat(memories.length > 0, `an answer to "${query}"`)
            }
          })
        ),
      peer: async () =>
        perSecond(
          await clock(queries.length, async () => {
            for (const query of queries) {
              const { results } = await mem0.search(query, { filters: { user_id: "bench" }, topK: 10 })
              expectThat(results.length > 0, `an answer to "${query}"`)
            }
          })
        ),
      close
    }
  }
}

export const mem0Rows: ReadonlyArray<Workload> = [saveRow, saveOneRow, recallRow]
