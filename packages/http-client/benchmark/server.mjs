// A canned server in a process of its own: it answers each request head with fixed bytes, as cheaply as Node can.
import * as Net from "node:net"

const head = (length) =>
  "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/plain\r\nServer: canned\r\n" +
  `Connection: keep-alive\r\nContent-Length: ${length}\r\n\r\n`
const small = Buffer.from(head(13) + "Hello, World!", "latin1")
const block = Buffer.alloc(1_048_576, "sennit")
const blocks = 64
const large = Buffer.from(head(block.length * blocks), "latin1")
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
  socket.on("error", () => socket.destroy())
  socket.on("data", (data) => {
    // one small request per read: whatever else arrives ends the row with an error
    if (data[data.length - 2] !== 13 || data[data.length - 4] !== 13) socket.destroy()
    else if (data[5] === 108) sendLarge(socket) // GET /l...
    else socket.write(small)
  })
})

server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`))
process.stdin.resume()
process.stdin.on("end", () => process.exit(0))
