/** The other side, in a process of its own: an HTTP server and a fault proxy before it. It ends with its standard input. */
import { faultProxy, randomFaults } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Http from "node:http"

const large = Buffer.alloc(262_144, "sennit")

const block = Buffer.alloc(1_048_576, "sennit")
/** Bytes of the last download that the sockets took. */
const taken = { bytes: 0 }

const download = (response: Http.ServerResponse, blocks: number): void => {
  response.writeHead(200, { "content-length": blocks * block.length })
  taken.bytes = 0
  const more = (left: number): void => {
    for (let n = left; n > 0; n--) {
      const flows = response.write(block)
      taken.bytes += block.length
      if (!flows) return void response.once("drain", () => more(n - 1))
    }
    response.end()
  }
  more(blocks)
}

const count = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
  let bytes = 0
  request.on("data", (data: Buffer) => {
    bytes += data.length
  })
  request.on("end", () => response.end(String(bytes)))
}

const answer = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
  switch (request.url) {
    case "/large":
      response.end(large)
      break
    case "/gibibyte":
      download(response, 1024)
      break
    case "/taken":
      response.end(String(taken.bytes))
      break
    case "/count":
      count(request, response)
      break
    case "/chunked":
      response.write("first ")
      setTimeout(() => response.end("second"), 2)
      break
    case "/slow":
      setTimeout(() => response.end("slow"), 15)
      break
    case "/drop":
      request.socket.destroy()
      break
    case "/cut":
      response.writeHead(200, { "content-length": "100" })
      response.write("half")
      setTimeout(() => request.socket.destroy(), 1)
      break
    default:
      request.resume()
      request.on("end", () => response.end("small"))
  }
}

const listen = Effect.async<number>((resume) => {
  const server = Http.createServer({ keepAliveTimeout: 60_000 }, answer)
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : 0))
  })
})

const chances = {
  delay: 0.2,
  split: 0.3,
  throttle: 0.1,
  truncate: 0.1,
  reset: 0.1,
  stall: 0.1,
  longestDelay: "50 millis",
  within: 100_000
} as const

const program = Effect.gen(function*() {
  const port = yield* listen
  const proxy = yield* faultProxy({ port, plan: randomFaults(chances, Number(process.argv[2] ?? 1)) })
  process.stdout.write(`${JSON.stringify({ port, proxyPort: proxy.port })}\n`)
  return yield* Effect.never
})

process.stdin.resume()
process.stdin.on("end", () => process.exit(0))
Effect.runFork(Effect.scoped(program))
