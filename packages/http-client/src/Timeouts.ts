/**
 * How long each phase of a request may take.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

/**
 * A phase that takes longer ends the request with an error of its own.
 *
 * - `acquire`: waiting for a connection of a full pool (30 seconds), `PoolTimeout`
 * - `dns`: name lookup (5 seconds), `DnsTimeout`
 * - `connect`: TCP, and what a proxy takes to reach the host (10 seconds), `ConnectTimeout`
 * - `tls`: the TLS handshake (10 seconds), `TlsTimeout`
 * - `write`: a request body of which the server accepts nothing more (60 seconds), `WriteTimeout`
 * - `headers`: from the last byte of the request to the end of the response head (300 seconds), `HeadersTimeout`
 * - `bodyIdle`: a response body of which nothing more is received, or read (60 seconds), `BodyTimeout`
 * - `total`: all of it, from the call to the last byte of the response (no bound), `TotalTimeout`
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  readonly acquire?: Duration.DurationInput | undefined
  readonly dns?: Duration.DurationInput | undefined
  readonly connect?: Duration.DurationInput | undefined
  readonly tls?: Duration.DurationInput | undefined
  readonly write?: Duration.DurationInput | undefined
  readonly headers?: Duration.DurationInput | undefined
  readonly bodyIdle?: Duration.DurationInput | undefined
  readonly total?: Duration.DurationInput | undefined
}

/**
 * Milliseconds of every phase.
 *
 * @since 0.1.0
 * @category models
 */
export type Millis = { readonly [Phase in keyof Timeouts]-?: number }

/**
 * The defaults, in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export const defaults: Millis = {
  acquire: 30_000,
  dns: 5000,
  connect: 10_000,
  tls: 10_000,
  write: 60_000,
  headers: 300_000,
  bodyIdle: 60_000,
  total: Number.POSITIVE_INFINITY
}

/**
 * The milliseconds of every phase, the defaults for those that are not given.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toMillis = (timeouts: Timeouts = {}): Millis => {
  const of = (phase: keyof Timeouts): number => {
    const given = timeouts[phase]
    return given === undefined ? defaults[phase] : Duration.toMillis(given)
  }
  return {
    acquire: of("acquire"),
    dns: of("dns"),
    connect: of("connect"),
    tls: of("tls"),
    write: of("write"),
    headers: of("headers"),
    bodyIdle: of("bodyIdle"),
    total: of("total")
  }
}
