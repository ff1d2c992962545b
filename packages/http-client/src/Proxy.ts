/**
 * Proxies between the client and an origin: HTTP (RFC 9110 §7.6, and CONNECT tunnels), the same over TLS, and SOCKS5.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { matchesNoProxy, parseNoProxy } from "./internal/matchNoProxy.ts"

/**
 * User name and password for a proxy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  readonly username: string
  readonly password: Redacted.Redacted<string>
}

/**
 * A proxy. `hostname` is without brackets; `https` is an HTTP proxy that is spoken to over TLS, verified with Node's
 * authorities or with `ca`. The name of the origin is always resolved by the proxy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Proxy {
  readonly scheme: "http" | "https" | "socks5"
  readonly hostname: string
  readonly port: number
  readonly credentials: Credentials | undefined
  readonly ca: string | ReadonlyArray<string> | undefined
}

/**
 * Where a request goes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** https or wss. */
  readonly secure: boolean
  /** In lower case, without brackets. */
  readonly hostname: string
  readonly port: number
}

/**
 * Chooses the proxy of an origin, undefined for none. It is asked for each new connection; it must not throw.
 *
 * @since 0.1.0
 * @category models
 */
export type Selector = (target: Target) => Proxy | undefined

/**
 * @since 0.1.0
 * @category models
 */
export interface ProxyOptions {
  /** Instead of those in the URL. */
  readonly credentials?: Credentials | undefined
  /** Certificate authorities in PEM that an https proxy is verified with, instead of those of Node. */
  readonly ca?: string | ReadonlyArray<string> | undefined
}

const schemes = new Map<string, readonly [scheme: Proxy["scheme"], port: number]>([
  ["http:", ["http", 80]],
  ["https:", ["https", 443]],
  ["socks5:", ["socks5", 1080]],
  ["socks5h:", ["socks5", 1080]]
])

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const credentialsOf = (url: URL): Credentials | undefined | "malformed" => {
  if (url.username === "" && url.password === "") return undefined
  const username = decoded(url.username)
  const password = decoded(url.password)
  if (username === undefined || password === undefined) return "malformed"
  return { username, password: Redacted.make(password) }
}

/**
 * The proxy of a URL (`http`, `https`, `socks5` or `socks5h`; a text without a scheme is `http`, as curl reads it), none
 * when there is no such proxy. The port is that of the scheme (80, 443, 1080) unless given. User name and password may
 * be in the URL, percent-encoded.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string | URL, options: ProxyOptions = {}): Option.Option<Proxy> => {
  const full = typeof text === "string" && !/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? `http://${text}` : String(text)
  if (!URL.canParse(full)) return Option.none()
  const url = new URL(full)
  const known = schemes.get(url.protocol)
  const credentials = options.credentials ?? credentialsOf(url)
  if (known === undefined || url.hostname === "" || credentials === "malformed") return Option.none()
  const [scheme, port] = known
  return Option.some({
    scheme,
    hostname: url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname,
    port: url.port === "" ? port : Number(url.port),
    credentials,
    ca: options.ca
  })
}

const only = (url: string | URL, options: ProxyOptions | undefined, allowed: ReadonlyArray<Proxy["scheme"]>): Proxy => {
  const proxy = Option.getOrUndefined(parse(url, options))
  // the URL may have a password in it
  if (proxy === undefined || !allowed.includes(proxy.scheme)) {
    throw new TypeError(`The URL of the proxy is not one of ${allowed.join(", ")}.`)
  }
  return proxy
}

/**
 * An HTTP proxy, `http://host:port` or `https://host:port`. http origins are asked for by the whole URL, https origins
 * and WebSockets through a CONNECT tunnel. Throws a TypeError when the URL is another.
 *
 * @example
 * ```ts
 * import { HttpClient, Proxy } from "@sennit/http-client"
 * import * as Redacted from "effect/Redacted"
 *
 * const layer = HttpClient.layerPooled({
 *   proxy: Proxy.http("http://proxy.internal:3128", {
 *     credentials: { username: "build", password: Redacted.make("secret") }
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const http = (url: string | URL, options?: ProxyOptions): Proxy => only(url, options, ["http", "https"])

/**
 * A SOCKS5 proxy, `socks5://host:port`. Throws a TypeError when the URL is another.
 *
 * @since 0.1.0
 * @category constructors
 */
export const socks5 = (url: string | URL, options?: Omit<ProxyOptions, "ca">): Proxy => only(url, options, ["socks5"])

type Variable = readonly [name: string, value: string]

/** A variable that is set to something. */
const variable = (name: string): Config.Config<Variable | undefined> =>
  Config.option(Config.string(name)).pipe(
    Config.map((found) => {
      const value = Option.getOrElse(found, () => "").trim()
      return value === "" ? undefined : [name, value]
    })
  )

/** The value may have a password in it, so the error has only the name. */
const proxyOf = (found: Variable | undefined): Proxy | undefined => {
  if (found === undefined) return undefined
  return Option.getOrThrowWith(
    parse(found[1]),
    () => new TypeError(`${found[0]} is not the URL of an http, https or socks5 proxy`)
  )
}

/**
 * The proxies that the environment names: `http_proxy` (or `HTTP_PROXY`) for http and ws, `https_proxy` for https and
 * wss, `all_proxy` for either, `no_proxy` for neither; each name in lower case first, then in upper case. `no_proxy` is a
 * list separated by commas or spaces: `*`, a host (which stands for its subdomains as well, with or without a dot in
 * front), an address, a network such as `10.0.0.0/8`; each with a port when only that port is meant.
 *
 * Where `REQUEST_METHOD` is set, as for a CGI program, `HTTP_PROXY` is ignored: there it may be the `Proxy` header of
 * a request (CVE-2016-5385, "httpoxy").
 *
 * @since 0.1.0
 * @category config
 */
export const fromEnvironment: Config.Config<Selector> = Config.all({
  method: variable("REQUEST_METHOD"),
  http: variable("http_proxy"),
  HTTP: variable("HTTP_PROXY"),
  https: variable("https_proxy"),
  HTTPS: variable("HTTPS_PROXY"),
  all: variable("all_proxy"),
  ALL: variable("ALL_PROXY"),
  no: variable("no_proxy"),
  NO: variable("NO_PROXY")
}).pipe(
  Config.mapAttempt((found): Selector => {
    const all = proxyOf(found.all ?? found.ALL)
    const forHttp = proxyOf(found.http ?? (found.method === undefined ? found.HTTP : undefined)) ?? all
    const forHttps = proxyOf(found.https ?? found.HTTPS) ?? all
    const rules = parseNoProxy((found.no ?? found.NO)?.[1] ?? "")
    return (target) => matchesNoProxy(rules, target) ? undefined : target.secure ? forHttps : forHttp
  })
)

const authority = ({ hostname, port }: Proxy): string =>
  hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`

/**
 * `scheme://host:port`, without credentials: what errors say.
 *
 * @since 0.1.0
 * @category accessors
 */
export const label = (proxy: Proxy): string => `${proxy.scheme}://${authority(proxy)}`
