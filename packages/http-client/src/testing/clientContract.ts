import type * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { fromClientError } from "../HttpError.ts"
import type { ConnectionEnded, RawConnection } from "./rawServer.ts"

/**
 * One promise of a client: against a server with this script, `run` gives `expected`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContractCase {
  readonly name: string
  readonly script: (connection: RawConnection) => Effect.Effect<void, ConnectionEnded>
  /** `url` is the server's, without a slash at the end. Failures are given as text. */
  readonly run: (client: HttpClient.HttpClient, url: string) => Effect.Effect<string>
  readonly expected: string
}

/** Answer every request of a connection with the same bytes. */
const always = (response: string, size = response.length) => (connection: RawConnection) =>
  Effect.forever(Effect.zipRight(connection.request, connection.writeEach(response, size)))

/** Answer one request, then close. */
const once = (response: string) => (connection: RawConnection) =>
  connection.request.pipe(Effect.zipRight(connection.write(response)), Effect.zipRight(connection.end))

const nameOf = (error: HttpClientError): string =>
  Option.match(fromClientError(error), {
    onNone: () => `${error._tag} ${error.reason}`,
    onSome: (precise) => "reason" in precise ? `${precise._tag} ${precise.reason}` : precise._tag
  })

const textOf = (client: HttpClient.HttpClient, request: HttpClientRequest.HttpClientRequest): Effect.Effect<string> =>
  client.execute(request).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (text) => `${response.status} ${text}`)),
    Effect.catchAll((error) => Effect.succeed(nameOf(error)))
  )

const get = (client: HttpClient.HttpClient, url: string) => textOf(client, HttpClientRequest.get(url))

const ok = "HTTP/1.1 200 OK\r\n"
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`

const refused = (name: string, response: string, expected: string): ContractCase => ({
  name: `refuses ${name}`,
  script: once(response),
  run: get,
  expected
})

/**
 * What every client over this package's codec does, whatever it is layered with.
 *
 * @since 0.1.0
 * @category contract
 */
export const contractCases: ReadonlyArray<ContractCase> = [
  {
    name: "reads a body of known length",
    script: always(`${ok}Content-Length: 5\r\n\r\nhello`),
    run: get,
    expected: "200 hello"
  },
  {
    name: "reads it byte by byte",
    script: always(`${ok}Content-Length: 5\r\n\r\nhello`, 1),
    run: get,
    expected: "200 hello"
  },
  {
    name: "reads chunks byte by byte",
    script: always(`${chunked}3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nt: v\r\n\r\n`, 1),
    run: get,
    expected: "200 hello"
  },
  { name: "reads until the close", script: once(`${ok}\r\nhello`), run: get, expected: "200 hello" },
  {
    name: "skips informational responses",
    script: always(
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}Content-Length: 2\r\n\r\nhi`
    ),
    run: get,
    expected: "200 hi"
  },
  {
    name: "reads no body after HEAD",
    script: always(`${ok}Content-Length: 5\r\n\r\n`),
    run: (client, url) => textOf(client, HttpClientRequest.head(url)),
    expected: "200 "
  },
  { name: "reads no body of 204", script: always("HTTP/1.1 204 No Content\r\n\r\n"), run: get, expected: "204 " },
  refused("a body cut short", `${ok}Content-Length: 9\r\n\r\nhello`, "ProtocolError TruncatedBody"),
  refused("chunks cut short", `${chunked}5\r\nhello\r\n`, "ProtocolError TruncatedBody"),
  refused("two lengths", `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, "ProtocolError ContentLength"),
  refused("a list of lengths", `${ok}Content-Length: 5, 5\r\n\r\nhello`, "ProtocolError ContentLength"),
  refused(
    "length beside chunks",
    `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "ProtocolError ConflictingFraming"
  ),
  refused(
    "a coding after chunked",
    `${ok}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    "ProtocolError TransferEncoding"
  ),
  refused("a bare line feed", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "ProtocolError LineEnding"),
  refused("a folded header", `${ok}A: b\r\n c\r\n\r\n`, "ProtocolError ObsoleteFold"),
  refused("an upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "ProtocolError Upgrade"),
  refused("a response that is none", "SSH-2.0-OpenSSH_9.2\r\n", "ProtocolError StatusLine"),
  refused("silence", "", "ConnectionClosed")
]
