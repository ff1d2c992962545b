// @effect-diagnostics nodeBuiltinImport:off -- the driver of sockets, TLS and name lookup
import * as Schema from "effect/Schema"
import * as Dns from "node:dns"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { Settings } from "../HttpConfig.ts"
import { AddressForbidden, ConnectError, DnsError, TlsError } from "../HttpError.ts"

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

/** Why no connection was made. @internal */
export type OpenFailure = ConnectError | TlsError | DnsError | AddressForbidden

const guardVerdict = (
  origin: Origin,
  settings: Settings,
  addresses: ReadonlyArray<string>
): AddressForbidden | undefined => {
  if (settings.ssrfGuard === undefined) return undefined
  for (const address of addresses) {
    const range = settings.ssrfGuard.forbids({ host: origin.hostname, port: origin.port, address })
    if (range !== undefined) return new AddressForbidden({ host: origin.hostname, address, range })
  }
  return undefined
}

/** Look the name up once, check every address, and give node:net exactly those addresses. */
const checkedLookup = (origin: Origin, settings: Settings): Net.LookupFunction => (hostname, options, callback) => {
  Dns.lookup(hostname, { all: true, hints: options.hints }, (error, addresses) => {
    if (error !== null) return callback(error, "")
    const forbidden = guardVerdict(origin, settings, addresses.map(({ address }) => address))
    if (forbidden !== undefined) return callback(forbidden, "")
    const first = addresses[0]
    if (first === undefined) return callback(new DnsError({ host: hostname, code: "EMPTY", cause: undefined }), "")
    if (options.all === true) return callback(null, addresses)
    callback(null, first.address, first.family)
  })
}

/** What receives the bytes that a socket reads, and the buffer that it reads them into. @internal */
export interface OnRead {
  readonly buffer: () => Uint8Array
  readonly callback: (size: number, buffer: Uint8Array) => boolean
}

/**
 * Start a connection. Gives the socket, which emits "connect" or "secureConnect", or why it may not be started.
 *
 * @internal
 */
export const openSocket = (
  origin: Origin,
  settings: Settings,
  onread: OnRead
): Net.Socket | AddressForbidden => {
  if (Net.isIP(origin.hostname) !== 0) {
    const forbidden = guardVerdict(origin, settings, [origin.hostname])
    if (forbidden !== undefined) return forbidden
  }
  const target = {
    host: origin.hostname,
    port: origin.port,
    noDelay: true,
    lookup: checkedLookup(origin, settings),
    onread
  }
  if (!origin.secure) return Net.connect(target)
  const { ca, minVersion, rejectUnauthorized, servername } = settings.tls
  const name = servername ?? (Net.isIP(origin.hostname) === 0 ? origin.hostname : "")
  return Tls.connect({
    ...target,
    ALPNProtocols: ["http/1.1"],
    minVersion: minVersion ?? "TLSv1.2",
    rejectUnauthorized: rejectUnauthorized ?? true,
    servername: name,
    ...(ca === undefined ? {} : { ca: typeof ca === "string" ? ca : [...ca] }),
    // an address has no name to ask for, but its certificate is verified all the same
    checkServerIdentity: (host, certificate) =>
      Tls.checkServerIdentity(servername ?? (name === "" ? origin.hostname : host), certificate)
  })
}

/** An error that the lookup made itself. */
const isRefusal = Schema.is(Schema.Union(AddressForbidden, DnsError))

const codeOf = (error: Error): string => {
  if ("code" in error && typeof error.code === "string") return error.code
  return "UNKNOWN"
}

const certificateCode = /CERT|SELF_SIGNED|UNABLE_TO|_CA\b|CHAIN|CRL|INVALID_PURPOSE|HOSTNAME_MISMATCH/

/** The typed error for what a socket emitted before it was ready. `tcp` says that TCP was connected. @internal */
export const openFailure = (error: Error, origin: Origin, tcp: boolean): OpenFailure => {
  if (isRefusal(error)) return error
  const code = codeOf(error)
  if ("syscall" in error && error.syscall === "getaddrinfo") {
    return new DnsError({ host: origin.hostname, code, cause: error })
  }
  if (origin.secure && tcp) {
    const reason = code === "ERR_TLS_CERT_ALTNAME_INVALID"
      ? "HostName"
      : certificateCode.test(code)
      ? "Certificate"
      : "Handshake"
    return new TlsError({ reason, origin: origin.key, code, cause: error })
  }
  const reason = code === "ECONNREFUSED"
    ? "Refused"
    : code === "ECONNRESET"
    ? "Reset"
    : code === "EHOSTUNREACH" || code === "ENETUNREACH" || code === "ETIMEDOUT"
    ? "Unreachable"
    : "Other"
  return new ConnectError({ reason, origin: origin.key, cause: error })
}
