// @effect-diagnostics nodeBuiltinImport:off -- node:crypto is the server's side of the handshake
import type { RawConnection } from "@sennit/http-client/testing"
import { rawServer } from "@sennit/http-client/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"

export const accept = (head: string) =>
  Crypto.createHash("sha1").update(
    `${/^sec-websocket-key: (\S+)/im.exec(head)?.[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  ).digest("base64")
export const opened = (head: string, more = "") =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: ${
    accept(head)
  }\r\n${more}\r\n`
/** Opens, then runs the script; gives what the client sent in the end as frames. */
export const speaking = (script: (connection: RawConnection) => Effect.Effect<void>, more = "") =>
  Effect.gen(function*() {
    const received = yield* Deferred.make<Buffer>()
    const server = yield* rawServer((connection) =>
      Effect.gen(function*() {
        const { head } = yield* connection.request
        yield* connection.write(opened(head, more))
        yield* script(connection)
        const ended = yield* Effect.flip(connection.request)
        yield* Deferred.succeed(received, Buffer.from("received" in ended ? ended.received : "", "latin1"))
      }).pipe(Effect.ignore)
    )
    return { ...server, received: Deferred.await(received) }
  })
export const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")
