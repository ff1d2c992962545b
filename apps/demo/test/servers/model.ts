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

interface ModelServer {
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

/** Answers that are open, oldest first; whoever needs one waits for it. */
class OpenAnswers {
  private readonly open: Array<ServerResponse> = []
  private readonly waiting: Array<(response: ServerResponse) => void> = []

  add(response: ServerResponse): void {
    this.open.push(response)
    this.waiting.splice(0).forEach((wake) => wake(response))
  }

  oldest(): Promise<ServerResponse> {
    const [response] = this.open
    return response === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(response)
  }

  /** Who asked has gone: nothing is sent there any more. */
  remove(response: ServerResponse): void {
    const at = this.open.indexOf(response)
    if (at >= 0) this.open.splice(at, 1)
  }

  async finish(): Promise<ServerResponse> {
    const response = await this.oldest()
    this.open.shift()
    return response
  }
}

const start = async () => {
  const requests: Array<string> = []
  const answers = new OpenAnswers()
  const left: Array<() => void> = []
  const abandoned = new Promise<void>((resolve) => left.push(resolve))
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (data) => body += data)
    request.on("end", () => {
      requests.push(body)
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.flushHeaders()
      response.on("close", () => {
        if (response.writableEnded) return
        answers.remove(response)
        left.forEach((leave) => leave())
      })
      answers.add(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const model: ModelServer = {
    address: `http://127.0.0.1:${port}/v1`,
    requests,
    send: (...parts) =>
      Effect.promise(async () => {
        const response = await answers.oldest()
        for (const part of parts) response.write(part)
      }),
    finish: (...parts) => Effect.promise(async () => (await answers.finish()).end(parts.join(""))),
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
