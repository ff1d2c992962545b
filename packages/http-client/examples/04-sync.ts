import { HttpError } from "@sennit/http-client"
import { Session } from "@sennit/http-client/Sync"
import { once } from "node:events"
import { Worker } from "node:worker_threads"

// the server runs in another thread: this one does nothing else while it waits
const server = new Worker(
  `const { createServer } = require("node:http")
  const server = createServer((request, response) => response.end("line 1\\nline 2 of " + request.url + "\\n"))
  server.listen(0, "127.0.0.1", () => require("node:worker_threads").parentPort.postMessage(server.address().port))`,
  { eval: true }
)
const [port]: Array<unknown> = await once(server, "message")

using session = new Session({ baseUrl: `http://127.0.0.1:${port}`, timeout: "10 seconds" })
console.log([...session.get("/a").lines()].join(", ")) // => line 1, line 2 of /a
console.log(session.get("/b").text().length) // => 20
console.log(session.stats().created) // => 1
try {
  session.get("http://127.0.0.1:1/")
} catch (error) {
  if (HttpError.isHttpError(error)) console.log(error._tag) // => ConnectError
}
await server.terminate()
