/** An OpenAI-compatible server whose stream waits for the test: each step of the script is sent when it is released. */
import * as Effect from "effect/Effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`

export const text = (content: string) => chunk({ content })
export const call = (index: number, id: string, name: string, argumentsText: string) =>
  chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: argumentsText } }] })
export const argumentsOf = (index: number, argumentsText: string) =>
  chunk({ tool_calls: [{ index, function: { arguments: argumentsText } }] })
export const end = (reason: string) => `${chunk({}, reason)}data: [DONE]\n\n`

export interface ModelServer {
  readonly address: string
  /** The bodies of the requests so far. */
  readonly requests: ReadonlyArray<string>
  /** Writes to the oldest request that has no end yet; waits for one. */
  readonly send: (...parts: ReadonlyArray<string>) => Effect.Effect<void>
  /** Ends the answer. */
  readonly finish: (...parts: ReadonlyArray<string>) => Effect.Effect<void>
  /** Whether a client closed a connection before its answer ended; waits until one did. */
  readonly abandoned: Effect.Effect<void>
}

const start = async () => {
  const requests: Array<string> = []
  const open: Array<ServerResponse> = []
  const waiting: Array<() => void> = []
  let left: () => void = () => {}
  const abandoned = new Promise<void>((resolve) => {
    left = resolve
  })
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (data) => body += data)
    request.on("end", () => {
      requests.push(body)
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.flushHeaders()
      response.on("close", () => response.writableEnded || left())
      open.push(response)
      waiting.splice(0).forEach((wake) => wake())
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const current = async (): Promise<ServerResponse> => {
    for (;;) {
      const [response] = open
      if (response !== undefined) return response
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }
  const send = (...parts: ReadonlyArray<string>) =>
    Effect.promise(async () => {
      const response = await current()
      for (const part of parts) response.write(part)
    })
  const finish = (...parts: ReadonlyArray<string>) =>
    Effect.promise(async () => {
      const response = await current()
      open.shift()
      response.end(parts.join(""))
    })
  const model: ModelServer = {
    address: `http://127.0.0.1:${port}/v1`,
    requests,
    send,
    finish,
    abandoned: Effect.promise(() => abandoned)
  }
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { model, close }
}

export const modelServer = Effect.map(
  Effect.acquireRelease(Effect.promise(start), ({ close }) => Effect.sync(close)),
  ({ model }) => model
)
