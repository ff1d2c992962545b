// An echo server in a process of its own, as cheap as Node can make it: it answers all frames of a read in one write, so
// that the clients are what is measured. It knows text frames of up to 64 KiB and the close frame, in whole or in parts.
import { createHash } from "node:crypto"
import * as Net from "node:net"

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
const accept = (head) => {
  const key = /sec-websocket-key: *([^\r]+)/i.exec(head)[1].trim()
  const proof = createHash("sha1").update(key + guid).digest("base64")
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${proof}\r\n\r\n`
}

/** Unmasks the whole frames of `data` into `out`; gives how much was read and written. */
const echo = (data, out) => {
  let at = 0
  let to = 0
  while (at + 6 <= data.length) {
    const short = data[at + 1] & 0x7f
    const header = short < 126 ? 2 : 4
    const length = short < 126 ? short : data.readUInt16BE(at + 2)
    const from = at + header + 4
    if (from + length > data.length) break
    for (let i = 0; i < header; i++) out[to++] = i === 1 ? short : data[at + i]
    const mask = from - 4
    for (let i = 0; i < length; i++) out[to++] = data[from + i] ^ data[mask + (i & 3)]
    at = from + length
  }
  return [at, to]
}

const server = Net.createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => socket.destroy())
  socket.once("data", (head) => {
    socket.write(accept(head.toString("latin1")))
    let rest = Buffer.alloc(0)
    socket.on("data", (chunk) => {
      const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const out = Buffer.allocUnsafe(data.length)
      const [read, written] = echo(data, out)
      rest = data.subarray(read)
      if (written > 0) socket.write(out.subarray(0, written))
    })
  })
})
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`))
process.stdin.resume()
process.stdin.on("end", () => process.exit(0))
