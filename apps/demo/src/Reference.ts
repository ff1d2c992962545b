// @effect-diagnostics nodeBuiltinImport:off -- the page's policy names the digest of its style
/** What programs can ask for, as a page of its own: written from the API's types, without a script. */
import * as OpenApi from "@effect/platform/OpenApi"
import { createHash } from "node:crypto"
import { DemoApi } from "./Api.ts"

const style =
  ":root{color-scheme:light dark;background:Canvas;color:CanvasText}body{font:16px/26px system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:16px;overflow-wrap:anywhere}" +
  "summary{cursor:pointer;min-height:24px}code,pre{font:14px/22px ui-monospace,monospace}pre{overflow:auto;padding:8px}" +
  "section{margin-block:24px}details{margin-block:8px}"

/** For this page alone, in place of the policy of the others. */
export const policy =
  `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const json = (value: unknown) => `<pre tabindex="0">${escape(JSON.stringify(value, undefined, 2))}</pre>`

const methods = ["get", "put", "post", "patch", "delete"] as const

/** Routes that are not of the typed API: their bodies are streams. */
const plain: ReadonlyArray<readonly [route: string, what: string]> = [
  [
    "PUT /api/conversations/:conversation/files/:name",
    "Stores a file; the body is the file, the answer its name and size."
  ],
  ["GET /api/conversations/:conversation/files/:name", "The file, byte for byte."],
  ["GET /api/events", "Server-sent events of everything that happens; goes on after Last-Event-ID."],
  ["GET /api/export", "Everything of one person, in JSON lines; the last line says that it is complete."],
  [
    "POST /v1/chat/completions",
    "The assistant in OpenAI's protocol, streamed or whole; its model is called sennit. GET /v1/models lists it."
  ],
  ["POST /openai/deployments/sennit/chat/completions", "The same in DIAL's."],
  [
    "POST /runs",
    "Starts a run of the agent called sennit in a conversation, or in a new one: { agent, message, conversation?, attachments? }. GET /runs lists them."
  ],
  [
    "GET /runs/:id/events",
    "Server-sent events of one run, in the agent's own form; goes on after Last-Event-ID. Leaving does not stop the run."
  ],
  ["DELETE /runs/:id", "Stops it. GET shows how far it is, POST /runs/:id/resume goes on with it."],
  ["POST /runs/:id/approvals/:call", "Decides about a call that waits: { approved, why? }."],
  ["GET /health", "Whether everything can be read; 503 when something cannot."],
  ["GET /metrics", "Measurements in Prometheus' text format."],
  ["GET /openapi.json", "The typed API as OpenAPI 3.1."]
]

const operationOf = (method: string, path: string, operation: OpenApi.OpenAPISpecOperation) => {
  const parameters = operation.parameters.length === 0 ? "" : `<h3>Parameters</h3>${json(operation.parameters)}`
  const body = operation.requestBody === undefined ? "" : `<h3>Body</h3>${json(operation.requestBody)}`
  return `<details><summary><code>${method.toUpperCase()} ${escape(path)}</code></summary>${parameters}${body}` +
    `<h3>Answers</h3>${json(operation.responses)}</details>`
}

const render = (): string => {
  const spec = OpenApi.fromApi(DemoApi)
  const groups = new Map<string, Array<string>>()
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of methods) {
      const operation = item[method]
      if (operation === undefined) continue
      const group = operation.tags[0] ?? "other"
      groups.set(group, [...groups.get(group) ?? [], operationOf(method, path, operation)])
    }
  }
  const sections = Array.from(
    groups,
    ([name, operations]) => `<section><h2>${escape(name)}</h2>${operations.join("")}</section>`
  )
  const streams = plain.map(([route, what]) => `<dt><code>${escape(route)}</code></dt><dd>${escape(what)}</dd>`)
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sennit: reference</title>` +
    `<meta name="viewport" content="width=device-width, initial-scale=1"><style>${style}</style></head><body><main>` +
    `<h1>What programs can ask for</h1><p>The same as <a href="/openapi.json">openapi.json</a>.</p>${
      sections.join("")
    }` +
    `<section><h2>streams and files</h2><dl>${streams.join("")}</dl></section>` +
    `<section><h2>schemas</h2><h3>By name</h3>${json(spec.components.schemas)}</section></main></body></html>`
}

let rendered: string | undefined

/** Made when it is first asked for. */
export const html = (): string => rendered ??= render()
