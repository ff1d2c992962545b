// A WebSocket server in a process of its own: it echoes every message.
import { WebSocketServer } from "ws"

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false, skipUTF8Validation: true })

server.on("connection", (socket) => {
  socket.on("error", () => socket.terminate())
  socket.on("message", (data, binary) => socket.send(data, { binary }))
})
server.on("listening", () => process.stdout.write(`${server.address().port}\n`))
process.stdin.resume()
process.stdin.on("end", () => process.exit(0))
