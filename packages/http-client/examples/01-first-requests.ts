import { ConnectionPool, HttpClient } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { createServer } from "node:http"

const server = createServer((request, response) => response.end(`you asked for ${request.url}`))
server.listen(0, "127.0.0.1")
await once(server, "listening")
const address = server.address()
const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`

const program = Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const texts = yield* Effect.forEach(
    ["/one", "/two", "/three"],
    (path) => Effect.flatMap(client.get(url + path), (response) => response.text)
  )
  const pool = yield* ConnectionPool.ConnectionPool
  return { texts, stats: yield* pool.stats }
})

const { stats, texts } = await Effect.runPromise(Effect.provide(program, HttpClient.layerPooled()))
console.log(texts.join(", ")) // => you asked for /one, you asked for /two, you asked for /three
console.log(`${stats.created} connection, reused ${stats.reused} times`) // => 1 connection, reused 2 times
server.close()
