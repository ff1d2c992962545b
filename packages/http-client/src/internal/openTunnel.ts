import * as Redacted from "effect/Redacted"
import { ProxyError } from "../HttpError.ts"
import type { Limits } from "../Limits.ts"
import type { Proxy } from "../Proxy.ts"
import { label } from "../Proxy.ts"
import { Handshake } from "../Socks.ts"
import type { SocksFailure } from "../Socks.ts"
import type { Origin } from "./openSocket.ts"
import { ResponseReader } from "./parseResponse.ts"

/** What to do after a proxy has spoken: send something, wait for more, begin to use the tunnel, or give up. */
type TunnelStep = Uint8Array | "wait" | "open" | ProxyError

/** The talk with a proxy before the origin can be talked to. @internal */
export interface Tunnel {
  readonly start: () => Uint8Array | ProxyError
  /** Take the first `size` bytes of `bytes`. */
  readonly push: (bytes: Uint8Array, size: number) => TunnelStep
}

/** The header line for a proxy that wants credentials, "" for one that does not. */
const authorizationLine = ({ credentials }: Proxy): string => {
  if (credentials === undefined) return ""
  const pair = Buffer.from(`${credentials.username}:${Redacted.value(credentials.password)}`).toString("base64")
  return `proxy-authorization: Basic ${pair}\r\n`
}

/**
 * The head of a request in the form for a proxy: the whole URL as target (RFC 9112 §3.2.2; for the server as a whole,
 * OPTIONS *, the URL without a path, §3.2.4), and the proxy's credentials.
 *
 * @internal
 */
export const headForProxy = (head: string, method: string, origin: Origin, proxy: Proxy): string => {
  const rest = head.slice(method.length + 1)
  const target = rest.startsWith("* ") ? rest.slice(1) : rest
  return `${method} ${origin.key}${target.slice(0, -2)}${authorizationLine(proxy)}\r\n`
}

/** @internal */
export const proxyError = (
  reason: ProxyError["reason"],
  proxy: Proxy,
  origin: Origin,
  more: { readonly status?: number | undefined; readonly cause?: unknown } = {}
): ProxyError => new ProxyError({ reason, proxy: label(proxy), origin: origin.key, ...more })

/**
 * CONNECT (RFC 9110 §9.3.6). What follows the head of a 2xx belongs to the tunnel, but in HTTP and TLS the client speaks
 * first, so bytes that are there before it did are no origin's answer: they are refused.
 */
class ConnectTunnel implements Tunnel {
  readonly #proxy: Proxy
  readonly #origin: Origin
  readonly #parser: ResponseReader
  #status = 0

  constructor(proxy: Proxy, origin: Origin, limits: Limits) {
    this.#proxy = proxy
    this.#origin = origin
    this.#parser = new ResponseReader({
      onHead: ({ status }) => {
        this.#status = status
      },
      onBody: () => undefined,
      onEnd: () => undefined
    }, limits)
  }

  start(): Uint8Array {
    const { hostname, port } = this.#origin
    const target = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`
    this.#parser.start("CONNECT")
    const head = `CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n${authorizationLine(this.#proxy)}\r\n`
    return Buffer.from(head, "latin1")
  }

  push(bytes: Uint8Array, size: number): TunnelStep {
    const failure = this.#parser.push(bytes, size)
    const status = this.#status
    if (status === 407) return proxyError("Authentication", this.#proxy, this.#origin, { status })
    if (status !== 0 && (status < 200 || status > 299)) {
      return proxyError("Refused", this.#proxy, this.#origin, { status })
    }
    if (failure !== undefined) return proxyError("Protocol", this.#proxy, this.#origin, { cause: failure })
    if (status === 0) return "wait"
    return this.#parser.excess === 0 ? "open" : proxyError("Protocol", this.#proxy, this.#origin, { status })
  }
}

const socksReasons = {
  Authentication: "Authentication",
  Refused: "Refused",
  Request: "Protocol",
  Version: "Protocol",
  Method: "Protocol",
  Malformed: "Protocol"
} as const

/** SOCKS5; the origin's name is resolved by the proxy. */
class SocksTunnel implements Tunnel {
  readonly #proxy: Proxy
  readonly #origin: Origin
  readonly #socks: Handshake

  constructor(proxy: Proxy, origin: Origin) {
    this.#proxy = proxy
    this.#origin = origin
    const { credentials } = proxy
    this.#socks = new Handshake({
      host: origin.hostname,
      port: origin.port,
      username: credentials?.username,
      password: credentials === undefined ? undefined : Redacted.value(credentials.password)
    })
  }

  #failed({ reason, reply }: SocksFailure): ProxyError {
    return proxyError(socksReasons[reason], this.#proxy, this.#origin, reply === undefined ? {} : { status: reply })
  }

  start(): Uint8Array | ProxyError {
    const first = this.#socks.start()
    return this.#socks.failure === undefined ? first : this.#failed(this.#socks.failure)
  }

  push(bytes: Uint8Array, size: number): TunnelStep {
    const next = this.#socks.push(bytes, size)
    if (this.#socks.failure !== undefined) return this.#failed(this.#socks.failure)
    if (next.length > 0) return next
    if (!this.#socks.connected) return "wait"
    return this.#socks.excess === 0 ? "open" : proxyError("Protocol", this.#proxy, this.#origin)
  }
}

/** @internal */
export const tunnelThrough = (proxy: Proxy, origin: Origin, limits: Limits): Tunnel =>
  proxy.scheme === "socks5" ? new SocksTunnel(proxy, origin) : new ConnectTunnel(proxy, origin, limits)
