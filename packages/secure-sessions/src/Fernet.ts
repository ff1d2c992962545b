/**
 * Fernet (https://github.com/fernet/spec), to exchange tokens with other programs: AES-128-CBC and HMAC-SHA256, with
 * the time of sealing in clear and no additional data. Records of this package are better sealed by `Encryption`,
 * which binds them to their place.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { random } from "./internal/deriveKey.ts"
import { fromBase64Url, openToken, parseToken, sealToken, toBase64Url, type Token } from "./internal/fernetToken.ts"
import { ConfigurationError, FernetError } from "./SecureSessionsError.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface OpenOptions {
  /** Refuses tokens that are older, and tokens from more than a minute in the future. Default: any time. */
  readonly timeToLive?: Duration.DurationInput | undefined
}

/**
 * A ring of keys: the first seals, all of them open.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fernet {
  /** A token of the present time, in seconds by the `Clock`. */
  readonly seal: (plaintext: Uint8Array) => Effect.Effect<string>
  readonly open: (token: string, options?: OpenOptions) => Effect.Effect<Uint8Array, FernetError>
  /** The same content and time under the first key. */
  readonly rotate: (token: string) => Effect.Effect<string, FernetError>
}

/** What the clocks of two machines may differ by, in seconds; the specification asks for some tolerance. */
const maxClockSkew = 60

/**
 * A new key in the form that other implementations take: base64url of 32 random bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const generateKey: Effect.Effect<Redacted.Redacted> = Effect.sync(() => Redacted.make(toBase64Url(random(32))))

const refuse = (reason: FernetError["reason"]) => new FernetError({ reason })

const readKey = Effect.fnUntraced(function*(key: Redacted.Redacted, index: number) {
  const bytes = fromBase64Url(Redacted.value(key))
  if (bytes?.length === 32) return bytes
  return yield* new ConfigurationError({
    reason: "InvalidKey",
    detail: `Fernet key ${index + 1} is not the base64url of 32 bytes`
  })
})

/**
 * @example
 * ```ts
 * import { Fernet } from "@sennit/secure-sessions"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const fernet = yield* Fernet.make([yield* Fernet.generateKey])
 *   const token = yield* fernet.seal(Buffer.from("hello"))
 *   return yield* fernet.open(token, { timeToLive: "1 hour" })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("Fernet.make")(function*(
  keys: readonly [Redacted.Redacted, ...Array<Redacted.Redacted>]
) {
  const ring = yield* Effect.forEach(keys, readKey)
  const primary = ring[0]!

  const read = (token: Token | undefined) => {
    if (token === undefined) return Effect.fail(refuse("Malformed"))
    for (const key of ring) {
      const plaintext = openToken(key, token)
      if (plaintext !== undefined) return Effect.succeed({ plaintext, seconds: token.seconds })
    }
    return Effect.fail(refuse("AuthenticationFailed"))
  }

  const open = Effect.fn("Fernet.open")(function*(text: string, options?: OpenOptions) {
    const { plaintext, seconds } = yield* read(parseToken(text))
    if (options?.timeToLive === undefined) return plaintext
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    if (seconds + Duration.toSeconds(options.timeToLive) < now) return yield* refuse("Expired")
    if (seconds > now + maxClockSkew) return yield* refuse("FromFuture")
    return plaintext
  })

  const fernet: Fernet = {
    seal: (plaintext) =>
      Effect.map(
        Clock.currentTimeMillis,
        (now) => sealToken(primary, Math.floor(now / 1000), random(16), plaintext)
      ),
    open,
    rotate: (text) =>
      Effect.map(
        read(parseToken(text)),
        ({ plaintext, seconds }) => sealToken(primary, seconds, random(16), plaintext)
      )
  }
  return fernet
})
