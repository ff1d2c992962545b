/** A wire between a browser and the demo that can be cut. */
import * as Effect from "effect/Effect"
import { connect, createServer, type Socket } from "node:net"
import type { AddressInfo } from "node:net"

/** Passes connections on to a port, counts what is asked for, and can cut all of them. */
export const wire = (port: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<Socket>()
      let asked = ""
      let refuses = false
      const server = createServer((from) => {
        if (refuses) return void from.destroy()
        const to = connect(port, "127.0.0.1")
        for (const [one, other] of [[from, to], [to, from]] as const) {
          sockets.add(one)
          one.on("close", () => {
            sockets.delete(one)
            other.destroy()
          })
          one.on("error", () => other.destroy())
        }
        from.on("data", (bytes) => asked += bytes.toString("latin1"))
        // The server answers to its own name alone.
        from.on("data", (bytes) => to.write(bytes.toString("latin1").replaceAll(String(own()), String(port)), "latin1"))
        to.pipe(from)
      })
      const own = () => (server.address() as AddressInfo).port
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return {
        address: `http://127.0.0.1:${own()}`,
        cut: () => sockets.forEach((socket) => socket.destroy()),
        /** Whether nothing gets through at all, also when it is tried again. */
        down: (isDown: boolean) => {
          refuses = isDown
          if (isDown) sockets.forEach((socket) => socket.destroy())
        },
        streams: () => asked.split("GET /api/events").length - 1,
        close: () => {
          server.close()
          sockets.forEach((socket) => socket.destroy())
        }
      }
    }),
    ({ close }) => Effect.sync(close)
  )
