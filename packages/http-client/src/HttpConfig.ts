/**
 * Options of the pool and of connections, their defaults, and the environment names that `layerConfig` reads.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Limits from "./Limits.ts"
import * as Proxy from "./Proxy.ts"
import * as Resolver from "./Resolver.ts"
import type { SsrfGuard } from "./SsrfGuard.ts"
import * as Timeouts from "./Timeouts.ts"

/**
 * TLS of https origins. The certificate and the host name are verified unless `rejectUnauthorized` is false.
 *
 * - `ca`: certificate authorities in PEM, instead of those of Node
 * - `servername`: the name to ask for and to verify, instead of the host of the URL
 * - `minVersion`: TLSv1.2 unless given
 * - `certificate`, `key`, `passphrase`: what a server is shown that asks for a certificate; certificate and key in PEM
 * - `pins`: SHA-256 of the public keys (SubjectPublicKeyInfo, RFC 7469) that the server's own certificate may have, in
 *   base64. A server with another key gets no byte of a request: `TlsError` with reason `Pin`
 *
 * Certificate, key and pins belong to origins: a proxy that is spoken to over TLS is not shown them. Sessions are resumed
 * where the server allows it, for as long as the pool lives.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsOptions {
  readonly ca?: string | ReadonlyArray<string> | undefined
  readonly servername?: string | undefined
  readonly rejectUnauthorized?: boolean | undefined
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
  readonly certificate?: string | undefined
  readonly key?: Redacted.Redacted<string> | undefined
  readonly passphrase?: Redacted.Redacted<string> | undefined
  readonly pins?: ReadonlyArray<string> | undefined
}

/**
 * Options of a connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionOptions {
  readonly timeouts?: Timeouts.Timeouts | undefined
  readonly limits?: Partial<Limits.Limits> | undefined
  readonly tls?: TlsOptions | undefined
  /** Which addresses may be connected to. `SsrfGuard.allowAll` unless given. */
  readonly ssrfGuard?: SsrfGuard | undefined
  /** A proxy for every origin, or a choice for each (`Proxy.fromEnvironment`). None unless given. */
  readonly proxy?: Proxy.Proxy | Proxy.Selector | undefined
  /** Every connection goes to this Unix socket, whatever the host of the URL, and through no proxy. */
  readonly unixSocket?: string | undefined
  /** How names become addresses. `Resolver.system` unless given. */
  readonly resolver?: Resolver.Resolver | undefined
}

/**
 * Options of a pool.
 *
 * - `connectionsPerOrigin`: connections to one scheme, host and port (10)
 * - `connections`: connections in all (256)
 * - `waiting`: requests that may wait for a connection (1024)
 * - `pipelining`: requests written on one connection before the first of them is answered (1: none wait there). Only
 *   requests that may be repeated, and only on connections that have proved to stay open
 * - `idle`: how long an unused connection is kept (15 seconds; less when the server's Keep-Alive hint says so)
 * - `maxAge`: how long a connection is used at all (5 minutes)
 * - `dnsTtl`: how long the addresses of a name are kept (10 seconds: the operating system does not say how long they are
 *   valid; a change of address is seen soon, a burst of new connections asks once). 0 keeps none
 *
 * @since 0.1.0
 * @category models
 */
export interface PoolOptions extends ConnectionOptions {
  readonly connectionsPerOrigin?: number | undefined
  readonly connections?: number | undefined
  readonly waiting?: number | undefined
  readonly pipelining?: number | undefined
  readonly idle?: Duration.DurationInput | undefined
  readonly maxAge?: Duration.DurationInput | undefined
  readonly dnsTtl?: Duration.DurationInput | undefined
}

/**
 * `PoolOptions` with every default filled in; durations in milliseconds.
 *
 * @internal
 */
export interface Settings {
  readonly timeouts: Timeouts.Millis
  readonly connectionsPerOrigin: number
  readonly connections: number
  readonly waiting: number
  readonly pipelining: number
  readonly idle: number
  readonly maxAge: number
  readonly limits: Limits.Limits
  readonly tls: TlsOptions
  readonly ssrfGuard: SsrfGuard | undefined
  readonly proxy: Proxy.Selector | undefined
  readonly unixSocket: string | undefined
  readonly resolver: Resolver.Resolver
  readonly dnsTtl: number
}

const selectorOf = (proxy: Proxy.Proxy | Proxy.Selector | undefined): Proxy.Selector | undefined =>
  proxy === undefined || typeof proxy === "function" ? proxy : () => proxy

const millis = (input: Duration.DurationInput | undefined, defaultMillis: number): number =>
  input === undefined ? defaultMillis : Duration.toMillis(input)

/** @internal */
export const settingsOf = (options: PoolOptions): Settings => ({
  connectionsPerOrigin: options.connectionsPerOrigin ?? 10,
  connections: options.connections ?? 256,
  waiting: options.waiting ?? 1024,
  pipelining: options.pipelining ?? 1,
  idle: millis(options.idle, 15_000),
  maxAge: millis(options.maxAge, 300_000),
  timeouts: Timeouts.toMillis(options.timeouts),
  limits: { ...Limits.defaults, ...options.limits },
  tls: options.tls ?? {},
  ssrfGuard: options.ssrfGuard,
  proxy: selectorOf(options.proxy),
  unixSocket: options.unixSocket,
  resolver: options.resolver ?? Resolver.system,
  dnsTtl: millis(options.dnsTtl, 10_000)
})

const positive = (name: string): Config.Config<Option.Option<number>> =>
  Config.integer(name).pipe(
    Config.validate({ message: "must be at least 1", validation: (n) => n >= 1 }),
    Config.option
  )

const duration = (name: string): Config.Config<Option.Option<Duration.Duration>> => Config.option(Config.duration(name))

const tls = Config.all({
  ca: Config.option(Config.string("TLS_CA")),
  certificate: Config.option(Config.string("TLS_CERTIFICATE")),
  key: Config.option(Config.redacted("TLS_KEY")),
  passphrase: Config.option(Config.redacted("TLS_PASSPHRASE")),
  pins: Config.option(Config.array(Config.string(), "TLS_PINS")),
  minVersion: Config.option(Config.literal("TLSv1.2", "TLSv1.3")("TLS_MIN_VERSION"))
}).pipe(Config.map((found): TlsOptions => ({
  ca: Option.getOrUndefined(found.ca),
  certificate: Option.getOrUndefined(found.certificate),
  key: Option.getOrUndefined(found.key),
  passphrase: Option.getOrUndefined(found.passphrase),
  pins: Option.getOrUndefined(found.pins),
  minVersion: Option.getOrUndefined(found.minVersion)
})))

/**
 * The options from the environment: `HTTP_CLIENT_CONNECTIONS_PER_ORIGIN`, `HTTP_CLIENT_CONNECTIONS`,
 * `HTTP_CLIENT_WAITING`, `HTTP_CLIENT_PIPELINING`, `HTTP_CLIENT_IDLE`, `HTTP_CLIENT_MAX_AGE`, `HTTP_CLIENT_ACQUIRE_TIMEOUT`,
 * `HTTP_CLIENT_DNS_TIMEOUT`, `HTTP_CLIENT_CONNECT_TIMEOUT`, `HTTP_CLIENT_TLS_TIMEOUT`, `HTTP_CLIENT_WRITE_TIMEOUT`,
 * `HTTP_CLIENT_HEADERS_TIMEOUT`, `HTTP_CLIENT_BODY_IDLE_TIMEOUT`,
 * `HTTP_CLIENT_TOTAL_TIMEOUT`, `HTTP_CLIENT_BODY_BYTES`, `HTTP_CLIENT_DNS_TTL`, `HTTP_CLIENT_UNIX_SOCKET`,
 * `HTTP_CLIENT_TLS_CA`, `HTTP_CLIENT_TLS_CERTIFICATE`, `HTTP_CLIENT_TLS_KEY` (all three in PEM),
 * `HTTP_CLIENT_TLS_PASSPHRASE`, `HTTP_CLIENT_TLS_PINS` (separated by commas), `HTTP_CLIENT_TLS_MIN_VERSION`; and the
 * proxies of `Proxy.fromEnvironment`. Each is optional; durations read like `10 seconds`.
 *
 * @since 0.1.0
 * @category config
 */
export const poolOptions: Config.Config<PoolOptions> = Config.nested(
  Config.all({
    dnsTtl: duration("DNS_TTL"),
    unixSocket: Config.option(Config.nonEmptyString("UNIX_SOCKET")),
    tls,
    connectionsPerOrigin: positive("CONNECTIONS_PER_ORIGIN"),
    connections: positive("CONNECTIONS"),
    waiting: positive("WAITING"),
    pipelining: positive("PIPELINING"),
    idle: duration("IDLE"),
    maxAge: duration("MAX_AGE"),
    acquire: duration("ACQUIRE_TIMEOUT"),
    dns: duration("DNS_TIMEOUT"),
    connect: duration("CONNECT_TIMEOUT"),
    handshake: duration("TLS_TIMEOUT"),
    write: duration("WRITE_TIMEOUT"),
    headers: duration("HEADERS_TIMEOUT"),
    bodyIdle: duration("BODY_IDLE_TIMEOUT"),
    total: duration("TOTAL_TIMEOUT"),
    bodyBytes: positive("BODY_BYTES")
  }),
  "HTTP_CLIENT"
).pipe(Config.zipWith(Proxy.fromEnvironment, (found, proxy): PoolOptions => ({
  proxy,
  tls: found.tls,
  unixSocket: Option.getOrUndefined(found.unixSocket),
  dnsTtl: Option.getOrUndefined(found.dnsTtl),
  connectionsPerOrigin: Option.getOrUndefined(found.connectionsPerOrigin),
  connections: Option.getOrUndefined(found.connections),
  waiting: Option.getOrUndefined(found.waiting),
  pipelining: Option.getOrUndefined(found.pipelining),
  idle: Option.getOrUndefined(found.idle),
  maxAge: Option.getOrUndefined(found.maxAge),
  timeouts: {
    acquire: Option.getOrUndefined(found.acquire),
    dns: Option.getOrUndefined(found.dns),
    connect: Option.getOrUndefined(found.connect),
    tls: Option.getOrUndefined(found.handshake),
    write: Option.getOrUndefined(found.write),
    headers: Option.getOrUndefined(found.headers),
    bodyIdle: Option.getOrUndefined(found.bodyIdle),
    total: Option.getOrUndefined(found.total)
  },
  limits: Option.match(found.bodyBytes, { onNone: () => ({}), onSome: (bodyBytes) => ({ bodyBytes }) })
})))
