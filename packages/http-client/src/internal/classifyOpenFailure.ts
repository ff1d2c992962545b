import * as Schema from "effect/Schema"
import { ConnectError, ConnectTimeout, DnsError, DnsTimeout, TlsError, TlsTimeout } from "../HttpError.ts"
import type { AddressForbidden, ProxyError } from "../HttpError.ts"
import type { Proxy } from "../Proxy.ts"
import type { OpenPhase, Origin } from "./openSocket.ts"
import { proxyError } from "./openTunnel.ts"

/** Why no connection was made. @internal */
export type OpenFailure = ConnectError | TlsError | DnsError | AddressForbidden | ProxyError

/** Where a connection in the making is: `greet` is TLS with a proxy, `tunnel` the talk with it. @internal */
export type OpenStage = "resolve" | "dial" | "greet" | "tunnel" | "secure"

const codeOf = (error: Error): string => {
  if ("code" in error && typeof error.code === "string") return error.code
  return "UNKNOWN"
}

const certificateCode = /CERT|SELF_SIGNED|UNABLE_TO|_CA\b|CHAIN|CRL|INVALID_PURPOSE|HOSTNAME_MISMATCH/

/** The server's word against the client. */
const alert = /^ERR_SSL_\w*ALERT_/

const tlsError = (cause: Error, origin: Origin): TlsError => {
  const code = codeOf(cause)
  const reason = code === "ERR_TLS_CERT_ALTNAME_INVALID"
    ? "HostName"
    : certificateCode.test(code) && !alert.test(code)
    ? "Certificate"
    : "Handshake"
  return new TlsError({ reason, origin: origin.key, code, cause })
}

const connectError = (cause: Error, origin: Origin): ConnectError => {
  const code = codeOf(cause)
  const reason = code === "ECONNREFUSED"
    ? "Refused"
    : code === "ECONNRESET"
    ? "Reset"
    : code === "ENOENT" || code === "EHOSTUNREACH" || code === "ENETUNREACH" || code === "ETIMEDOUT"
    ? "Unreachable"
    : "Other"
  return new ConnectError({ reason, origin: origin.key, cause })
}

/** The typed error for what ended a stage. @internal */
export const openFailureOf = (
  cause: Error,
  stage: OpenStage,
  origin: Origin,
  proxy: Proxy | undefined
): OpenFailure => {
  if (stage === "secure") return tlsError(cause, origin)
  if (proxy !== undefined) return proxyError(stage === "tunnel" ? "Protocol" : "Unreachable", proxy, origin, { cause })
  return isDnsError(cause) ? cause : connectError(cause, origin)
}

const isDnsError = Schema.is(DnsError)

/**
 * The typed error for a connection that the server ended with an alert before the first byte of an answer: with TLS 1.3 it
 * may refuse the client's certificate, or the want of one, after the client is done (RFC 8446 §4.4.2.4).
 *
 * @internal
 */
export const handshakeRefusal = (cause: Error | undefined, origin: Origin): TlsError | undefined =>
  cause !== undefined && alert.test(codeOf(cause)) ? tlsError(cause, origin) : undefined

/** The typed error for a phase that took too long. @internal */
export const openTimeout = (
  phase: OpenPhase,
  origin: Origin,
  millis: number
): DnsTimeout | ConnectTimeout | TlsTimeout => {
  const details = { origin: origin.key, millis }
  switch (phase) {
    case "dns":
      return new DnsTimeout(details)
    case "connect":
      return new ConnectTimeout(details)
    default:
      return new TlsTimeout(details)
  }
}
