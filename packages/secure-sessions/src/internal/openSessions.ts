/**
 * The layer that plain options mean, for those who do not use Effect.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as KeyProvider from "../KeyProvider.ts"
import type { SessionsOptions } from "../Promise.ts"
import * as SecureSessions from "../SecureSessions.ts"
import { parseKey } from "../SecureSessionsConfig.ts"
import { ConfigurationError } from "../SecureSessionsError.ts"

const keysOf = (options: SessionsOptions): Layer.Layer<KeyProvider.KeyProvider, ConfigurationError> => {
  if ("passphrase" in options) return KeyProvider.layerPassphrase({ passphrase: Redacted.make(options.passphrase) })
  const key = typeof options.key === "string" ? parseKey(options.key) : Either.right(options.key)
  return Either.match(key, {
    onLeft: (detail) => Layer.fail(new ConfigurationError({ reason: "InvalidKey", detail })),
    onRight: (bytes) => KeyProvider.layerKeyring([{ id: "default", key: Redacted.make(bytes) }])
  })
}

/** @internal */
export const layerOf = (options: SessionsOptions): Layer.Layer<SecureSessions.Services, SecureSessions.BuildError> =>
  Layer.provide(
    "url" in options
      ? SecureSessions.layerPg({ url: Redacted.make(options.url) })
      : SecureSessions.layerSqlite({ filename: options.filename, synchronous: options.synchronous }),
    keysOf(options)
  )
