// @effect-diagnostics nodeBuiltinImport:off globalConsole:off globalTimers:off -- a plain server process, so that it does not count as client CPU
import type { ServerResponse } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${
    JSON.stringify({
      id: "x",
      object: "chat.completion.chunk",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta, finish_reason: finish }]
    })
  }\n\n`

const fragments = ["{\"ci", "ty\":", "\"Po", "rto\"}"]
const call = (index: number) => [
  chunk({
    tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name: "weather", arguments: "" } }]
  }),
  ...fragments.map((part) => chunk({ tool_calls: [{ index, function: { arguments: part } }] }))
]
const usage = `data: ${
  JSON.stringify({
    id: "x",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [],
    usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 }
  })
}\n\n`
const done = "data: [DONE]\n\n"

const first = [
  chunk({ role: "assistant", content: null }),
  ...call(0),
  ...call(1),
  chunk({}, "tool_calls"),
  usage,
  done
]
const second = [
  chunk({ role: "assistant", content: "" }),
  ...Array.from({ length: 20 }, (_, i) => chunk({ content: `word${i} ` })),
  chunk({}, "stop"),
  usage,
  done
]

const firstAfterMs = 200
const betweenMs = 5

/** As a model does: nothing for a while, then a piece at a time. */
const drip = (response: ServerResponse, parts: ReadonlyArray<string>) => {
  let next = 0
  const write = () => {
    response.write(parts[next++])
    if (next === parts.length) response.end()
    else setTimeout(write, betweenMs)
  }
  setTimeout(write, firstAfterMs)
}

const server = createServer((request, response) => {
  let body = ""
  request.setEncoding("utf8").on("data", (part: string) => {
    body += part
  }).on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    const parts = body.includes("\"role\":\"tool\"") ? second : first
    if (request.url?.startsWith("/slow/")) return drip(response, parts)
    for (const part of parts) response.write(part)
    response.end()
  })
})
server.keepAliveTimeout = 60_000
// A thousand connections at once: with the usual backlog some would wait a second for the system to ask again.
server.listen(
  { port: 0, host: "127.0.0.1", backlog: 4096 },
  () => process.send?.((server.address() as AddressInfo).port)
)
process.on("disconnect", () => process.exit(0))
