// A canned server in a process of its own: it answers each request head with fixed bytes, as cheaply as Node can.
import * as Net from "node:net"

const head = (length) =>
  "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/plain\r\nServer: canned\r\n" +
  `Connection: keep-alive\r\nContent-Length: ${length}\r\n\r\n`
const small = Buffer.from(head(13) + "Hello, World!", "latin1")
const block = Buffer.alloc(1_048_576, "sennit")
const blocks = 64
const large = Buffer.from(head(block.length * blocks), "latin1")
const end = Buffer.from("\r\n\r\n", "latin1")

const sendLarge = (socket) => {
  socket.write(large)
  let sent = 0
  const more = () => {
    while (sent < blocks) {
      sent++
      if (!socket.write(block)) return socket.once("drain", more)
    }
  }
  more()
}

const server = Net.createServer({ noDelay: true }, (socket) => {
  let rest = ""
  socket.on("error", () => socket.destroy())
  socket.on("data", (data) => {
    if (rest === "" && data.indexOf(end) === data.length - 4) {
      if (data.includes("/large")) sendLarge(socket)
      else socket.write(small)
      return
    }
    rest += data.toString("latin1")
    for (let at = rest.indexOf("\r\n\r\n"); at !== -1; at = rest.indexOf("\r\n\r\n")) {
      rest = rest.slice(at + 4)
      socket.write(small)
    }
  })
})

server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`))
process.stdin.resume()
process.stdin.on("end", () => process.exit(0))
