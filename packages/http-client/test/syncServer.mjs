// A server in a process of its own: whoever calls without giving up the thread cannot answer itself.
import { createServer } from "node:http"
import { WebSocketServer } from "ws"

let accepted = 0
let open = 0
let written = 0
let received = 0
const piece = Buffer.alloc(65_536, "sennit")

const collect = (request) =>
  new Promise((resolve) => {
    const parts = []
    request.on("data", (part) => parts.push(part))
    request.on("end", () => resolve(Buffer.concat(parts)))
  })

/** Bytes in pieces, each only when the socket has room. */
const stream = (response, bytes) => {
  written = 0
  response.writeHead(200, { "content-type": "application/octet-stream" })
  const more = () => {
    while (written < bytes) {
      written += piece.length
      if (!response.write(piece)) return response.once("drain", more)
    }
    response.end()
  }
  more()
}

const routes = {
  "/hello": (_, response) => response.end("hello"),
  "/chunked": (_, response) => response.write("one\r\ntwo\n") && response.end("three"),
  "/counts": (_, response) => response.end(JSON.stringify({ accepted, open, written, received })),
  "/echo": async (request, response) => {
    const body = (await collect(request)).toString("latin1")
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }))
  },
  "/form": async (request, response) => {
    const type = request.headers["content-type"]
    const form = await new Response(await collect(request), { headers: { "content-type": type } }).formData()
    const file = form.get("file")
    response.end(JSON.stringify([form.get("text"), file.name, file.type, await file.text()]))
  },
  "/login": (_, response) => response.writeHead(302, { location: "/echo", "set-cookie": "who=me" }).end(),
  "/large": (_, response, url) => stream(response, Number(url.searchParams.get("bytes"))),
  "/upload": (request, response) => {
    received = 0
    request.on("data", (part) => {
      received += part.length
    })
    request.on("end", () => response.end(String(received)))
  },
  "/early": (request, response) => {
    response.writeHead(200)
    response.write("early")
    request.on("end", () => response.end(" late"))
    request.resume()
  },
  "/stop": () => {},
  "/latin1": (_, response) =>
    response.writeHead(200, { "content-type": "text/plain; charset=ISO-8859-1" }).end(Buffer.from([0xe9])),
  "/nowhere": (_, response) => response.writeHead(200, { "content-type": "text/plain; charset=x-nowhere" }).end("x"),
  "/reset": (request) => request.socket.resetAndDestroy(),
  "/twice": (request) => request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
  "/short": (request) => request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
  "/endless": (request, response) => response.writeHead(200).write("start")
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://server")
  const route = routes[url.pathname]
  if (route === undefined) response.writeHead(404).end("nothing here")
  else void route(request, response, url)
})
server.keepAliveTimeout = 0
server.on("connection", (socket) => {
  accepted++
  open++
  socket.on("close", () => open--)
  socket.on("error", () => socket.destroy())
})

const sockets = new WebSocketServer({ server, handleProtocols: (offered) => [...offered][0] ?? false })
sockets.on("connection", (peer) => {
  peer.on("message", (data, binary) => {
    const text = data.toString()
    if (text === "close") peer.close(1000, "done")
    else if (text === "leave") peer.close(4001, "bye")
    else if (text !== "silence") peer.send(data, { binary })
  })
})

server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`))
process.stdin.resume()
process.stdin.on("end", () => process.exit(0))
