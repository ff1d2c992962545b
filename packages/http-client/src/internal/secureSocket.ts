// @effect-diagnostics nodeBuiltinImport:off -- node:tls speaks TLS, node:crypto digests pins
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { isIP } from "node:net"
import * as Tls from "node:tls"
import type { TlsOptions } from "../HttpConfig.ts"
import { TlsError } from "../HttpError.ts"

/** Who must prove to be at the other end. @internal */
export interface Peer {
  /** For errors: `scheme://host[:port]`. */
  readonly key: string
  readonly hostname: string
}

const maxSessions = 256

const plain = (secret: Redacted.Redacted<string> | undefined): string | undefined =>
  secret === undefined ? undefined : Redacted.value(secret)

/** SHA-256 of the subject public key info of the peer's own certificate, in base64 (RFC 7469 §2.4). */
const pinOf = (socket: Tls.TLSSocket): string | undefined => {
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: "spki", format: "der" })
  return key === undefined ? undefined : createHash("sha256").update(key).digest("base64")
}

/**
 * What connections with the same TLS options share: one context with its keys, read once, and the sessions that servers
 * let resume, for a bounded number of peers, the least recently used forgotten first.
 *
 * @internal
 */
export class TlsSetup {
  readonly #options: TlsOptions
  #context: Tls.SecureContext | undefined
  readonly #sessions = new Map<string, Buffer>()
  readonly #pinned = new WeakMap<Tls.TLSSocket, boolean>()

  constructor(options: TlsOptions) {
    this.#options = options
  }

  /** Throws when the certificate, its key or an authority cannot be read. */
  #sharedContext(): Tls.SecureContext {
    const { ca, certificate, key, minVersion, passphrase } = this.#options
    return this.#context ??= Tls.createSecureContext({
      ca: ca === undefined || typeof ca === "string" ? ca : [...ca],
      cert: certificate,
      key: plain(key),
      passphrase: plain(passphrase),
      minVersion: minVersion ?? "TLSv1.2"
    })
  }

  /** Start TLS, over a socket or with a connection of its own; or why that is not possible. */
  connect(peer: Peer, over: Tls.ConnectionOptions): Tls.TLSSocket | TlsError {
    const { rejectUnauthorized, servername } = this.#options
    const name = servername ?? (isIP(peer.hostname) === 0 ? peer.hostname : "")
    const session = this.#sessions.get(peer.key)
    let secureContext: Tls.SecureContext
    try {
      secureContext = this.#sharedContext()
    } catch (cause) {
      return new TlsError({ reason: "Certificate", origin: peer.key, code: "ERR_TLS_OPTIONS", cause })
    }
    const socket = Tls.connect({
      ...over,
      ALPNProtocols: ["http/1.1"],
      secureContext,
      rejectUnauthorized: rejectUnauthorized ?? true,
      servername: name,
      ...(session === undefined ? {} : { session }),
      // an address has no name to ask for, but its certificate is verified all the same
      checkServerIdentity: (host, certificate) =>
        Tls.checkServerIdentity(servername ?? (name === "" ? peer.hostname : host), certificate)
    })
    // node holds a session back until the peer is verified
    socket.on("session", (resumable) => {
      if (this.#isPinned(socket)) this.#keep(peer.key, resumable)
    })
    return socket
  }

  #keep(key: string, session: Buffer): void {
    this.#sessions.delete(key)
    const [oldest] = this.#sessions.size >= maxSessions ? this.#sessions.keys() : []
    if (oldest !== undefined) this.#sessions.delete(oldest)
    this.#sessions.set(key, session)
  }

  /** A handshake failed: whatever was to be resumed is not tried again. */
  forget(peer: Peer): void {
    this.#sessions.delete(peer.key)
  }

  /** A resumed session shows no certificate, and only sessions with a pinned key are kept. Node forgets it soon, too. */
  #isPinned(socket: Tls.TLSSocket): boolean {
    const { pins } = this.#options
    if (pins === undefined) return true
    const known = this.#pinned.get(socket)
    if (known !== undefined) return known
    const pin = pinOf(socket)
    const pinned = socket.isSessionReused() || (pin !== undefined && pins.includes(pin))
    this.#pinned.set(socket, pinned)
    return pinned
  }

  /** Why the peer of a finished handshake is not to be spoken to, if it has no key that is pinned. */
  verifyPin(socket: Tls.TLSSocket, peer: Peer): TlsError | undefined {
    if (this.#isPinned(socket)) return undefined
    return new TlsError({ reason: "Pin", origin: peer.key, code: "ERR_TLS_PIN", cause: undefined })
  }
}
