/** A demo that runs while a row is measured, and a model that answers at once. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import os from "node:os"
import path from "node:path"

export const root = path.resolve(import.meta.dirname, "../../..")
const main = path.join(root, "apps/demo/dist/sennit.js")

export interface Running {
  readonly address: string
  readonly pid: number
}

const started = (child: ChildProcess) =>
  new Promise<string>((resolve, reject) => {
    let printed = ""
    child.stdout?.on("data", (data) => {
      printed += data
      const found = /listens on (http:\S+)/.exec(printed)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once("exit", (code) => reject(new Error(`the demo ended with ${code}`)))
  })

/** Starts a command that serves the demo, does something with it, and ends it. */
export const withDemo = async <A>(
  use: (demo: Running) => Promise<A>,
  env: Record<string, string> = {},
  script = main
): Promise<A> => {
  const data = await mkdtemp(path.join(os.tmpdir(), "sennit-bench-"))
  const { OPENAI_BASE_URL: _, SENNIT_KEY: __, ...inherited } = process.env
  const child = spawn(process.execPath, script === main ? [main, "serve"] : [script], {
    cwd: root,
    env: { ...inherited, SENNIT_PORT: "0", SENNIT_DATA: data, ...env },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const ended = new Promise((resolve) => child.once("exit", resolve))
  try {
    return await use({ address: await started(child), pid: child.pid ?? 0 })
  } finally {
    child.kill("SIGTERM")
    await ended
    await rm(data, { recursive: true, force: true })
  }
}

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`

export const token = (content: string) => chunk({ content })
export const call = (index: number, name: string, argumentsText: string) =>
  chunk({
    tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name, arguments: argumentsText } }]
  })
export const end = (reason: string) => `${chunk({}, reason)}data: [DONE]\n\n`

interface Question {
  readonly messages: ReadonlyArray<{ readonly role: string; readonly content: string }>
}

/** A model that is given each question, and writes what it wants. */
export const withModel = async <A>(
  answer: (question: Question, response: ServerResponse) => void | Promise<void>,
  use: (address: string) => Promise<A>
): Promise<A> => {
  const read = (request: IncomingMessage, response: ServerResponse) => {
    let body = ""
    request.on("data", (data) => body += data)
    request.on("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      void answer(JSON.parse(body), response)
    })
  }
  const server = createServer(read)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

export const quantile = (numbers: ReadonlyArray<number>, part: number): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

export const repeated = async (times: number, measure: () => Promise<number>): Promise<number> => {
  const measured: Array<number> = []
  // oxlint-disable-next-line no-await-in-loop
  for (let i = 0; i < times; i++) measured.push(await measure())
  return quantile(measured, 0.5)
}
