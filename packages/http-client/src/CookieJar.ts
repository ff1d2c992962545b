/**
 * Cookies that go back only where they belong: RFC 6265bis with host-only and domain cookies, paths, expiry, Secure,
 * the name prefixes, public suffixes, and bounds.
 *
 * @since 0.1.0
 */
import * as Cookies from "@effect/platform/Cookies"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { CookieRefused } from "./HttpError.ts"
import { interceptSend } from "./internal/interceptSend.ts"
import { CookieStore } from "./internal/keepCookies.ts"
import { defaultPath, domainMatches, isAddress, isMinimalSuffix } from "./internal/matchCookie.ts"
import { urlOf } from "./internal/prepareRequest.ts"
import { rawSetCookies } from "./internal/readBody.ts"
import * as SetCookie from "./SetCookie.ts"

/**
 * A cookie in the jar. Times are milliseconds since 1970; `expires` is null for a cookie of the session. The encoded
 * form has the value in plain text, so keep it where secrets are kept.
 *
 * @since 0.1.0
 * @category models
 */
export const StoredCookie = Schema.Struct({
  name: Schema.String,
  value: Schema.Redacted(Schema.String),
  domain: Schema.String,
  hostOnly: Schema.Boolean,
  path: Schema.String,
  secure: Schema.Boolean,
  httpOnly: Schema.Boolean,
  sameSite: Schema.Literal("default", "none", "lax", "strict"),
  expires: Schema.NullOr(Schema.Number),
  created: Schema.Number
})

/**
 * @since 0.1.0
 * @category models
 */
export type StoredCookie = typeof StoredCookie.Type

/**
 * Everything in a jar, to be kept and given back to `make`.
 *
 * @example
 * ```ts
 * import { CookieJar } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const Persisted = Schema.parseJson(CookieJar.StoredCookies)
 *
 * const copied = Effect.gen(function*() {
 *   const jar = yield* CookieJar.make()
 *   const text = yield* Effect.flatMap(jar.snapshot, Schema.encode(Persisted))
 *   return yield* CookieJar.make({ cookies: yield* Schema.decode(Persisted)(text) })
 * })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export const StoredCookies: Schema.Array$<typeof StoredCookie> = Schema.Array(StoredCookie)

/**
 * Whether names below a domain belong to different people, so that a cookie for all of them is refused. Give a function
 * over the Public Suffix List where cookies of untrusted hosts are taken.
 *
 * @since 0.1.0
 * @category models
 */
export type PublicSuffix = (domain: string) => boolean

/**
 * The rule that holds without a list: a single label (`com`, `localhost`), and a common registry label below a
 * two-letter country (`co.uk`, `com.au`). It does not know `github.io` and its like, nor registries with other labels.
 *
 * @since 0.1.0
 * @category constants
 */
export const minimalPublicSuffix: PublicSuffix = isMinimalSuffix

/**
 * - `cookies`: what is in the jar at the start
 * - `publicSuffix`: `minimalPublicSuffix` unless given
 * - `perDomain`: cookies of one domain (50); `total`: cookies in all (3000). Over it, the one used longest ago goes
 *
 * @since 0.1.0
 * @category models
 */
export interface CookieJarOptions {
  readonly cookies?: ReadonlyArray<StoredCookie> | undefined
  readonly publicSuffix?: PublicSuffix | undefined
  readonly perDomain?: number | undefined
  readonly total?: number | undefined
}

/**
 * Keeps cookies. A program has no page that it is on, so every request counts as same-site: `SameSite` is read, kept, and
 * holds nothing back, but `SameSite=None` without `Secure` is refused as it is by browsers.
 *
 * @since 0.1.0
 * @category tags
 */
export class CookieJar extends Context.Tag("@sennit/http-client/CookieJar")<CookieJar, {
  /** The value of the `Cookie` header for a URL, none when no cookie is for it. */
  readonly header: (url: URL) => Effect.Effect<Option.Option<Redacted.Redacted>>
  /** Take the value of one `Set-Cookie` header that came from a URL. */
  readonly set: (setCookie: string, url: URL) => Effect.Effect<void, CookieRefused>
  /** Every cookie that has not expired. */
  readonly snapshot: Effect.Effect<ReadonlyArray<StoredCookie>>
  readonly clear: Effect.Effect<void>
}>() {}

/** §5.5: no cookie lives longer than 400 days. */
const longestLife = 400 * 24 * 3600 * 1000

const expiryOf = (cookie: SetCookie.SetCookie, now: number): number | null => {
  if (cookie.maxAge !== undefined) return cookie.maxAge <= 0 ? 0 : now + Math.min(cookie.maxAge * 1000, longestLife)
  return cookie.expires === undefined ? null : Math.min(cookie.expires, now + longestLife)
}

/** What servers may take for white space before a name, and drop, does not hide a prefix. */
const beforeName = /^[^!-~]+/

const hasPrefix = (cookie: SetCookie.SetCookie, prefix: string): boolean =>
  (cookie.name === "" ? cookie.value : cookie.name).toLowerCase().replace(beforeName, "").startsWith(prefix)

/** §5.7 steps 6 to 20: the cookie to store, or why there is none. */
const admit = (
  cookie: SetCookie.SetCookie,
  url: URL,
  now: number,
  isPublicSuffix: PublicSuffix
): StoredCookie | CookieRefused => {
  const host = url.hostname
  const secureUrl = url.protocol === "https:"
  const refuse = (reason: CookieRefused["reason"]) => new CookieRefused({ reason, host })
  let domain = cookie.domain
  // com. is com, written as a complete name
  const isSuffix = domain !== undefined && isPublicSuffix(domain.replace(/\.$/, ""))
  if (domain !== undefined && domain !== host && !isAddress(domain) && isSuffix) return refuse("PublicSuffix")
  if (domain === host && (isAddress(host) || isSuffix)) domain = undefined
  if (domain !== undefined && !domainMatches(host, domain)) return refuse("Domain")
  if (cookie.secure && !secureUrl) return refuse("Secure")
  if (cookie.sameSite === "none" && !cookie.secure) return refuse("SameSite")
  const hostOnly = domain === undefined
  if (cookie.name === "" && (hasPrefix(cookie, "__secure-") || hasPrefix(cookie, "__host-"))) return refuse("Prefix")
  if (hasPrefix(cookie, "__secure-") && !cookie.secure) return refuse("Prefix")
  if (hasPrefix(cookie, "__host-") && !(cookie.secure && cookie.domain === undefined && cookie.path === "/")) {
    return refuse("Prefix")
  }
  return {
    name: cookie.name,
    value: Redacted.make(cookie.value),
    domain: domain ?? host,
    hostOnly,
    path: cookie.path ?? defaultPath(url.pathname),
    secure: cookie.secure,
    httpOnly: cookie.httpOnly,
    sameSite: cookie.sameSite,
    expires: expiryOf(cookie, now),
    created: now
  }
}

const pairOf = ({ name, value }: StoredCookie): string =>
  name === "" ? Redacted.value(value) : `${name}=${Redacted.value(value)}`

/**
 * Make a jar.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fn("CookieJar.make")(
  function*(options: CookieJarOptions = {}): Effect.fn.Return<Context.Tag.Service<CookieJar>> {
    const store = new CookieStore(options.perDomain ?? 50, options.total ?? 3000)
    const isPublicSuffix = options.publicSuffix ?? minimalPublicSuffix
    const started = yield* Clock.currentTimeMillis
    for (const cookie of options.cookies ?? []) store.put(cookie, started)
    return {
      header: (url) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const found = store.find(url.hostname, url.pathname, url.protocol === "https:", now)
          return found.length === 0 ? Option.none() : Option.some(Redacted.make(found.map(pairOf).join("; ")))
        }),
      set: (setCookie, url) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const parsed = SetCookie.parse(setCookie)
          if (Option.isNone(parsed)) return Effect.fail(new CookieRefused({ reason: "Syntax", host: url.hostname }))
          const cookie = admit(parsed.value, url, now, isPublicSuffix)
          if ("_tag" in cookie) return Effect.fail(cookie)
          if (
            url.protocol !== "https:" && store.hidesSecure(cookie.name, cookie.domain, cookie.path, now)
          ) {
            return Effect.fail(new CookieRefused({ reason: "Secure", host: url.hostname }))
          }
          return Effect.sync(() => store.put(cookie, now))
        }),
      snapshot: Effect.map(Clock.currentTimeMillis, (now) => store.all(now)),
      clear: Effect.sync(() => store.clear())
    }
  }
)

/**
 * A jar that begins empty, or with the cookies given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: CookieJarOptions): Layer.Layer<CookieJar> => Layer.effect(CookieJar, make(options))

/** Every Set-Cookie value as it was received; another client's response gives what platform could read of them. */
const setCookiesOf = (response: HttpClientResponse): ReadonlyArray<string> =>
  rawSetCookies(response) ?? Cookies.toSetCookieHeaders(response.cookies)

const addHeader = (
  request: HttpClientRequest.HttpClientRequest,
  header: Option.Option<Redacted.Redacted>
): HttpClientRequest.HttpClientRequest => {
  if (Option.isNone(header)) return request
  const own = request.headers["cookie"]
  const fromJar = Redacted.value(header.value)
  return HttpClientRequest.setHeader(request, "cookie", own === undefined ? fromJar : `${own}; ${fromJar}`)
}

/**
 * Send the jar's cookies and keep what servers set. Put it below redirects (before `withRedirects` in a pipe), so that
 * each hop gets the cookies of its own host. A cookie that the jar refuses is left out, and logged at debug level.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { CookieJar, Redirect } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const jar = yield* CookieJar.make()
 *   const client = (yield* HttpClient.HttpClient).pipe(CookieJar.withCookieJar(jar), Redirect.withRedirects())
 *   yield* client.get("https://example.com/login")
 *   return yield* client.get("https://example.com/account")
 * })
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const withCookieJar: {
  (
    jar: Context.Tag.Service<CookieJar>
  ): <E, R>(self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R>
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    jar: Context.Tag.Service<CookieJar>
  ): HttpClient.HttpClient.With<E, R>
} = dual(
  (args) => Predicate.hasProperty(args[0], HttpClient.TypeId),
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    jar: Context.Tag.Service<CookieJar>
  ): HttpClient.HttpClient.With<E, R> =>
    interceptSend(self, (send, request) => {
      const url = urlOf(request)
      // the client itself says what is wrong with the URL
      if ("_tag" in url) return send(request)
      return Effect.flatMap(jar.header(url), (header) => send(addHeader(request, header))).pipe(
        Effect.tap((response) =>
          Effect.forEach(
            setCookiesOf(response),
            (value) => Effect.catchTag(jar.set(value, url), "CookieRefused", (error) => Effect.logDebug(error.message)),
            { discard: true }
          )
        )
      )
    })
)
