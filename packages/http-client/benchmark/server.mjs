// A canned server in a process of its own: it answers each request head with fixed bytes, as cheaply as Node can. It
// prints the port of HTTP and, given a key and a certificate, the port of TLS.
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import * as Tls from "node:tls"

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

const headEnd = Buffer.from("\r\n\r\n")
/** Bytes of the upload after those that came with its head; -1 when the head is not an upload's. */
const uploadRest = (data) => {
  if (data[0] !== 80) return -1 // P...
  const end = data.indexOf(headEnd)
  const length = /content-length: *([0-9]+)/i.exec(data.latin1Slice(0, end))
  return Number(length[1]) - (data.length - end - 4)
}

const serve = (socket) => {
  let rest = 0
  let carry
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    if (rest > 0) {
      rest -= chunk.length
      if (rest === 0) socket.write(small)
      return
    }
    const data = carry === undefined ? chunk : Buffer.concat([carry, chunk])
    carry = undefined
    if (data[0] === 80) {
      rest = uploadRest(data)
      if (rest === 0) socket.write(small)
      return
    }
    // as many answers as there are heads; half a head waits for the rest
    let count = 0
    let at = 0
    for (let end = data.indexOf(headEnd); end !== -1; end = data.indexOf(headEnd, at)) {
      count++
      at = end + 4
    }
    if (at < data.length) carry = data.subarray(at)
    if (count === 1 && data[5] === 108) sendLarge(socket) // GET /l...
    else if (count === 1) socket.write(small)
    else if (count > 1) socket.write(Buffer.concat(Array.from({ length: count }, () => small)))
  })
}

const [key, cert] = process.argv.slice(2)
const plain = Net.createServer({ noDelay: true }, serve)
const secure = key === undefined
  ? undefined
  : Tls.createServer({ key: readFileSync(key), cert: readFileSync(cert), noDelay: true }, serve)
const listen = (server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)))
const ports = [await listen(plain), ...(secure === undefined ? [] : [await listen(secure)])]
process.stdout.write(`${ports.join(" ")}\n`)
process.stdin.resume()
process.stdin.on("end", () => process.exit(0))
