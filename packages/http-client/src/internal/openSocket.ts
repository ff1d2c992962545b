// @effect-diagnostics nodeBuiltinImport:off -- the driver of sockets that are not connected yet
import type { LookupAddress } from "node:dns"
import * as Net from "node:net"
import type * as Tls from "node:tls"
import type { Settings } from "../HttpConfig.ts"
import { AddressForbidden } from "../HttpError.ts"
import type { Proxy } from "../Proxy.ts"
import { openFailureOf } from "./classifyOpenFailure.ts"
import type { OpenFailure, OpenStage } from "./classifyOpenFailure.ts"
import { tunnelThrough } from "./openTunnel.ts"
import type { Tunnel } from "./openTunnel.ts"
import { NameCache } from "./resolveHost.ts"
import type { Fork } from "./resolveHost.ts"
import { TlsSetup } from "./secureSocket.ts"

/** Scheme, host and port, parsed once. @internal */
export interface Origin {
  /** `scheme://host[:port]` */
  readonly key: string
  readonly secure: boolean
  /** Without brackets, in lower case. */
  readonly hostname: string
  readonly port: number
  /** `host[:port]` for the Host header. */
  readonly host: string
}

/** The origin of an http or https URL. @internal */
export const originOf = (url: URL): Origin | undefined => {
  const secure = url.protocol === "https:"
  if (!secure && url.protocol !== "http:") return undefined
  const hostname = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname
  return {
    key: `${url.protocol}//${url.host}`,
    secure,
    hostname,
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    host: url.host
  }
}

/** What receives the bytes that a socket reads, and the buffer that it reads them into. @internal */
export interface OnRead {
  readonly buffer: () => Uint8Array
  readonly callback: (size: number, buffer: Uint8Array) => boolean
}

/** The phases of a connection in the making; each has a timeout of its own. @internal */
export type OpenPhase = "dns" | "connect" | "tls"

/** Who wants a connection. One of `onReady` and `onFailure` is called once, possibly at once. @internal */
export interface Opener {
  readonly onPhase: (phase: OpenPhase) => void
  /** `forward` is a proxy at the other end that must be asked by whole URLs. */
  readonly onReady: (socket: Net.Socket, forward: Proxy | undefined) => void
  readonly onFailure: (failure: OpenFailure) => void
}

/** What all connections of a pool share on their way. @internal */
export class Connector {
  readonly settings: Settings
  readonly names: NameCache
  readonly tls: TlsSetup
  readonly #proxies = new Map<Proxy, TlsSetup>()

  constructor(settings: Settings, now: () => number, fork: Fork) {
    this.settings = settings
    this.names = new NameCache(settings.resolver, settings.dnsTtl, now, fork)
    this.tls = new TlsSetup(settings.tls)
  }

  /** Certificates and pins are those of origins; a proxy has its own authorities. */
  tlsOf(proxy: Proxy): TlsSetup {
    const known = this.#proxies.get(proxy)
    if (known !== undefined) return known
    if (this.#proxies.size >= 16) this.#proxies.clear()
    const made = new TlsSetup({ ca: proxy.ca })
    this.#proxies.set(proxy, made)
    return made
  }

  /** Start a connection; `tunnel` says that even http origins need one through an HTTP proxy. */
  open(origin: Origin, tunnel: boolean, onread: OnRead, opener: Opener): Opening {
    const opening = new Opening(this, origin, tunnel, onread, opener)
    opening.start()
    return opening
  }
}

/**
 * One connection in the making: resolve the name, dial, ask a proxy for a tunnel, secure it.
 *
 * @internal
 */
export class Opening {
  readonly #connector: Connector
  readonly #origin: Origin
  readonly #proxy: Proxy | undefined
  readonly #tunnelled: boolean
  readonly #onread: OnRead
  readonly #opener: Opener
  #stage: OpenStage | "over" = "resolve"
  #isReady = false
  #tunnel: Tunnel | undefined
  /** The outermost socket; it takes those below with it. */
  #socket: Net.Socket | undefined
  #cancelLookup: (() => void) | undefined

  constructor(connector: Connector, origin: Origin, tunnel: boolean, onread: OnRead, opener: Opener) {
    const { proxy, unixSocket } = connector.settings
    this.#connector = connector
    this.#origin = origin
    this.#proxy = unixSocket === undefined ? proxy?.(origin) : undefined
    this.#tunnelled = this.#proxy !== undefined && (tunnel || origin.secure || this.#proxy.scheme === "socks5")
    this.#onread = onread
    this.#opener = opener
  }

  // ------------------------------------------------------------------------------------------------------- resolve

  start(): void {
    const { unixSocket } = this.#connector.settings
    const { hostname } = this.#origin
    const literal = Net.isIP(hostname) !== 0
    if (unixSocket !== undefined || this.#proxy !== undefined) {
      const refused = this.#verdict(literal && unixSocket === undefined ? hostname : undefined)
      if (refused !== undefined) return this.#fail(refused)
    }
    if (unixSocket !== undefined) return this.#dial({ path: unixSocket })
    const { hostname: host, port } = this.#proxy ?? this.#origin
    if (Net.isIP(host) !== 0) return this.#found({ host, port }, [host])
    this.#opener.onPhase("dns")
    this.#cancelLookup = this.#connector.names.lookup(host, (found) => {
      if (this.#stage === "over") return
      if ("_tag" in found) return this.#fail(openFailureOf(found, "resolve", this.#origin, this.#proxy))
      this.#found({ host, port, ...severalTries, lookup: answering(found) }, found.map(({ address }) => address))
    })
  }

  /** Check every address, then go to exactly those. The way to a proxy is the choice of whoever made the pool. */
  #found(target: Net.TcpNetConnectOpts, addresses: ReadonlyArray<string>): void {
    if (this.#proxy === undefined) {
      for (const address of addresses) {
        const refused = this.#verdict(address)
        if (refused !== undefined) return this.#fail(refused)
      }
    }
    this.#dial(target)
  }

  #verdict(address: string | undefined): AddressForbidden | undefined {
    const { hostname: host, port } = this.#origin
    const range = this.#connector.settings.ssrfGuard?.forbids({ host, port, address })
    return range === undefined ? undefined : new AddressForbidden({ host, address: address ?? host, range })
  }

  // ---------------------------------------------------------------------------------------------------------- dial

  #dial(target: Net.TcpNetConnectOpts | Net.IpcNetConnectOpts): void {
    this.#stage = "dial"
    this.#opener.onPhase("connect")
    const proxied = this.#proxy !== undefined
    const secure = proxied ? this.#proxy?.scheme === "https" : this.#origin.secure
    const options = { ...target, noDelay: true, onread: this.#tunnelled ? this.#tunnelReads() : this.#onread }
    const socket = secure ? this.#secure(options) : Net.connect(options)
    if (socket === undefined) return
    this.#socket = socket
    this.#watch(socket)
    socket.on("connect", () => {
      if (this.#stage !== "dial") return
      if (!secure) return this.#connected(socket)
      this.#stage = proxied ? "greet" : "secure"
      if (!proxied) this.#opener.onPhase("tls")
    })
  }

  #watch(socket: Net.Socket): void {
    socket.on("error", (error) => this.#lost(error))
    socket.on("end", () => this.#lost(undefined))
    socket.on("close", () => this.#lost(undefined))
  }

  /** TLS with the origin or the proxy, whichever the socket leads to. */
  #secure(over: Tls.ConnectionOptions): Tls.TLSSocket | undefined {
    const proxy = over.socket === undefined ? this.#proxy : undefined
    const setup = proxy === undefined ? this.#connector.tls : this.#connector.tlsOf(proxy)
    const peer = proxy === undefined ? this.#origin : { key: `https://${proxy.hostname}:${proxy.port}`, ...proxy }
    const socket = setup.connect(peer, over)
    if ("_tag" in socket) {
      this.#fail(proxy === undefined ? socket : openFailureOf(socket, "greet", this.#origin, proxy))
      return undefined
    }
    socket.on("secureConnect", () => {
      if (this.#stage === "over") return
      if (proxy !== undefined) return this.#connected(socket)
      const unpinned = setup.verifyPin(socket, peer)
      if (unpinned === undefined) this.#ready(socket, undefined)
      else this.#fail(unpinned)
    })
    return socket
  }

  /** The origin or the proxy can be talked to. */
  #connected(socket: Net.Socket): void {
    if (!this.#tunnelled || this.#proxy === undefined) return this.#ready(socket, this.#proxy)
    this.#stage = "tunnel"
    const tunnel = tunnelThrough(this.#proxy, this.#origin, this.#connector.settings.limits)
    const first = tunnel.start()
    if ("_tag" in first) return this.#fail(first)
    this.#tunnel = tunnel
    socket.write(first)
  }

  // -------------------------------------------------------------------------------------------------------- tunnel

  /** Reads for the proxy's answers first, for the owner afterwards. */
  #tunnelReads(): OnRead {
    const own = Buffer.allocUnsafeSlow(4096)
    return {
      buffer: () => this.#isReady ? this.#onread.buffer() : own,
      callback: (size, buffer) => this.#isReady ? this.#onread.callback(size, buffer) : this.#advance(buffer, size)
    }
  }

  #advance(bytes: Uint8Array, size: number): boolean {
    const socket = this.#socket
    const step = this.#tunnel?.push(bytes, size)
    if (this.#stage !== "tunnel" || step === undefined || socket === undefined) return false
    if (step === "wait") return true
    if (step === "open") this.#opened(socket)
    else if ("_tag" in step) this.#fail(step)
    else socket.write(step)
    return this.#socket?.destroyed === false
  }

  #opened(socket: Net.Socket): void {
    if (!this.#origin.secure) return this.#ready(socket, undefined)
    this.#stage = "secure"
    this.#opener.onPhase("tls")
    const secured = this.#secure({ socket })
    if (secured === undefined) return
    this.#socket = secured
    this.#watch(secured)
    // node gives TLS over a socket no buffer to read into
    secured.on("data", (chunk: Buffer) => this.#onread.callback(chunk.length, chunk))
  }

  // ------------------------------------------------------------------------------------------------------- the end

  #ready(socket: Net.Socket, forward: Proxy | undefined): void {
    this.#stage = "over"
    this.#isReady = true
    this.#opener.onReady(socket, forward)
  }

  #lost(error: Error | undefined): void {
    const stage = this.#stage
    if (stage === "over") return
    if (stage === "dial") this.#connector.names.forget((this.#proxy ?? this.#origin).hostname)
    if (stage === "secure") this.#connector.tls.forget(this.#origin)
    this.#fail(openFailureOf(error ?? new Error("closed before it was ready"), stage, this.#origin, this.#proxy))
  }

  #fail(failure: OpenFailure): void {
    if (this.#stage === "over") return
    this.abort()
    this.#opener.onFailure(failure)
  }

  /** Nobody wants it any more. */
  abort(): void {
    if (this.#stage === "over") return
    this.#stage = "over"
    this.#cancelLookup?.()
    this.#socket?.destroy()
  }
}

/**
 * Node gives up an attempt before it makes the next, so each gets longer than the 250 ms of RFC 8305, whose attempts go on
 * side by side.
 */
const severalTries = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 1000 }

/** What net.connect asks for addresses. */
const answering = (found: ReadonlyArray<LookupAddress>): Net.LookupFunction => (_hostname, options, callback) => {
  const first = found[0]
  if (options.all === true) callback(null, [...found])
  else if (first !== undefined) callback(null, first.address, first.family)
}
