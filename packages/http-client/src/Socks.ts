/**
 * A sans-IO SOCKS5 client (RFC 1928, with the user name and password of RFC 1929): bytes in, bytes out; no socket, no
 * clock, no Effect. Names are given to the proxy as they are, so that it resolves them.
 *
 * @since 0.1.0
 */
import { addressBytes } from "./internal/parseAddress.ts"

/**
 * Where to, and who asks. `host` is a name of 1 to 255 ASCII characters or an IP address without brackets; user name and
 * password have 1 to 255 bytes each.
 *
 * @since 0.1.0
 * @category models
 */
export interface SocksRequest {
  readonly host: string
  readonly port: number
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/**
 * Why there is no connection.
 *
 * - `Request`: what was asked for cannot be written
 * - `Version`: the server does not speak the version
 * - `Method`: it chose a method of authentication that was not offered
 * - `Authentication`: it accepts no method that was offered, or not the password
 * - `Refused`: it said no; `reply` is its code (RFC 1928 §6)
 * - `Malformed`: a reserved or address field that is not allowed
 *
 * @since 0.1.0
 * @category models
 */
export interface SocksFailure {
  readonly reason: "Request" | "Version" | "Method" | "Authentication" | "Refused" | "Malformed"
  readonly reply?: number | undefined
}

const noAuthentication = 0x00
const userPassword = 0x02
const noneAccepted = 0xff
const nothing = new Uint8Array(0)

const lengthPrefixed = (text: string): Uint8Array | undefined => {
  const bytes = new TextEncoder().encode(text)
  return bytes.length === 0 || bytes.length > 255 ? undefined : Uint8Array.of(bytes.length, ...bytes)
}

/** Length of the address field after ATYP (and, for names, its length byte), without the port. */
const addressLength = (kind: number, first: number): number | undefined => {
  switch (kind) {
    case 0x01:
      return 4
    case 0x03:
      return 1 + first
    case 0x04:
      return 16
    default:
      return undefined
  }
}

const encodeTarget = ({ host, port }: SocksRequest): Uint8Array | undefined => {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  const portBytes = [port >> 8, port & 0xff]
  const address = addressBytes(host)
  if (address !== undefined) return Uint8Array.of(5, 1, 0, address.length === 4 ? 0x01 : 0x04, ...address, ...portBytes)
  const name = /^[\x21-\x7e]+$/.test(host) ? lengthPrefixed(host) : undefined
  return name === undefined ? undefined : Uint8Array.of(5, 1, 0, 0x03, ...name, ...portBytes)
}

/** Version 1 of the subnegotiation of RFC 1929. */
const encodePassword = ({ password, username }: SocksRequest): Uint8Array | undefined => {
  const user = lengthPrefixed(username ?? "")
  const secret = lengthPrefixed(password ?? "")
  return user === undefined || secret === undefined ? undefined : Uint8Array.of(1, ...user, ...secret)
}

/**
 * The client's side of one handshake: `start` gives the first bytes to send, `push` takes what arrives in any division
 * and gives what to send next, until `connected` or `failure`.
 *
 * @example
 * ```ts
 * import { Socks } from "@sennit/http-client"
 *
 * const socks = new Socks.Handshake({ host: "example.com", port: 443 })
 * const first = socks.start() // 05 01 00: version 5, one method, no authentication
 * const next = socks.push(Uint8Array.of(5, 0)) // CONNECT example.com:443
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export class Handshake {
  readonly #target: Uint8Array | undefined
  readonly #password: Uint8Array | undefined
  readonly #withPassword: boolean
  #state: "method" | "password" | "reply" = "method"
  #carry: Uint8Array = nothing
  connected = false
  failure: SocksFailure | undefined = undefined
  /** Bytes that came after the end of the handshake. */
  excess = 0

  constructor(request: SocksRequest) {
    this.#target = encodeTarget(request)
    this.#withPassword = request.username !== undefined
    this.#password = this.#withPassword ? encodePassword(request) : undefined
  }

  /** The greeting; empty when the request cannot be written. */
  start(): Uint8Array {
    if (this.#target === undefined || (this.#withPassword && this.#password === undefined)) {
      return this.#fail({ reason: "Request" })
    }
    return this.#withPassword ? Uint8Array.of(5, 2, noAuthentication, userPassword) : Uint8Array.of(5, 1, 0)
  }

  /** Take the first `end` bytes of `bytes`; gives what to send now, often nothing. */
  push(bytes: Uint8Array, end: number = bytes.length): Uint8Array {
    if (this.connected) {
      this.excess += end
      return nothing
    }
    if (this.failure !== undefined) return nothing
    const carry = new Uint8Array(this.#carry.length + end)
    carry.set(this.#carry)
    carry.set(bytes.subarray(0, end), this.#carry.length)
    this.#carry = carry
    const said: Array<number> = []
    for (let before: string | undefined; before !== this.#state;) {
      before = this.#state
      said.push(...this.#take(this.#carry))
    }
    return said.length === 0 ? nothing : Uint8Array.from(said)
  }

  #take(bytes: Uint8Array): Uint8Array {
    switch (this.#state) {
      case "method":
        return this.#takeMethod(bytes)
      case "password":
        return this.#takePassword(bytes)
      default:
        return this.#takeReply(bytes)
    }
  }

  #fail(failure: SocksFailure): Uint8Array {
    this.failure = failure
    this.#carry = nothing
    return nothing
  }

  /** An answer of two bytes was read: say the next thing, and wait for the next answer. */
  #answered(bytes: Uint8Array, state: "password" | "reply", send: Uint8Array | undefined): Uint8Array {
    if (send === undefined) return this.#fail({ reason: "Request" })
    this.#carry = bytes.subarray(2)
    this.#state = state
    return send
  }

  #takeMethod(bytes: Uint8Array): Uint8Array {
    if (bytes.length > 0 && bytes[0] !== 5) return this.#fail({ reason: "Version" })
    if (bytes.length < 2) return nothing
    switch (bytes[1]) {
      case noAuthentication:
        return this.#answered(bytes, "reply", this.#target)
      case userPassword:
        return this.#withPassword
          ? this.#answered(bytes, "password", this.#password)
          : this.#fail({ reason: "Method" })
      case noneAccepted:
        return this.#fail({ reason: "Authentication" })
      default:
        return this.#fail({ reason: "Method" })
    }
  }

  #takePassword(bytes: Uint8Array): Uint8Array {
    if (bytes.length > 0 && bytes[0] !== 1) return this.#fail({ reason: "Version" })
    if (bytes.length < 2) return nothing
    return bytes[1] === 0 ? this.#answered(bytes, "reply", this.#target) : this.#fail({ reason: "Authentication" })
  }

  #takeReply(bytes: Uint8Array): Uint8Array {
    const [version, reply, reserved, kind, first] = bytes
    if (version !== undefined && version !== 5) return this.#fail({ reason: "Version" })
    if (reply !== undefined && reply !== 0) return this.#fail({ reason: "Refused", reply })
    if (reserved !== undefined && reserved !== 0) return this.#fail({ reason: "Malformed" })
    if (kind === undefined) return nothing
    const length = addressLength(kind, first ?? 0)
    if (length === undefined) return this.#fail({ reason: "Malformed" })
    const end = 4 + length + 2
    if (first === undefined || bytes.length < end) return nothing
    this.#carry = nothing
    this.connected = true
    this.excess = bytes.length - end
    return nothing
  }
}
