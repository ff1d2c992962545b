import { createClient } from "@sennit/http-client/Promise"
import { once } from "node:events"
import { createServer } from "node:http"

const server = createServer((request, response) => {
  if (request.url === "/moved") response.writeHead(302, { location: "/here" })
  response.end(JSON.stringify({ path: request.url }))
})
server.listen(0, "127.0.0.1")
await once(server, "listening")
const address = server.address()
const baseUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`

const client = createClient({ baseUrl, redirects: { max: 3 } })
const response = await client.get("/moved")
console.log(response.status, JSON.stringify(await response.json())) // => 200 {"path":"/here"}

const refused = await client.get("/", { headers: { a: "1\r\nEvil: 1" } }).catch((error: unknown) => error)
console.log(refused instanceof Error ? refused.name : "?") // => InvalidRequest

await client[Symbol.asyncDispose]()
server.close()
