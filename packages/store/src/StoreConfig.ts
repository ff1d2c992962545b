/**
 * What a store reads from the environment.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import type { Options } from "./Local.ts"
import type * as S3 from "./S3.ts"

/**
 * `STORE_ROOT` (required) and `STORE_DURABILITY` (`none` or `fsync`, default `none`) of a local store.
 *
 * @since 0.1.0
 * @category config
 */
export const local: Config.Config<Options> = Config.all({
  root: Config.string("STORE_ROOT"),
  durability: Config.literal("none", "fsync")("STORE_DURABILITY").pipe(Config.withDefault("none"))
})

/**
 * `STORE_S3_ENDPOINT`, `STORE_S3_BUCKET`, `STORE_S3_ACCESS_KEY_ID` and `STORE_S3_SECRET_ACCESS_KEY` (required),
 * `STORE_S3_SESSION_TOKEN`, `STORE_S3_REGION` (default `us-east-1`), `STORE_S3_PREFIX` (default: the whole bucket) and
 * `STORE_S3_DIALECT` (`aws`, `rgw`, `swift` or `generic`, the default) of a store in an S3 bucket.
 *
 * @since 0.1.0
 * @category config
 */
export const s3: Config.Config<S3.Options> = Config.all({
  endpoint: Config.string("STORE_S3_ENDPOINT"),
  region: Config.string("STORE_S3_REGION").pipe(Config.withDefault("us-east-1")),
  bucket: Config.string("STORE_S3_BUCKET"),
  prefix: Config.string("STORE_S3_PREFIX").pipe(Config.withDefault("")),
  dialect: Config.literal("aws", "rgw", "swift", "generic")("STORE_S3_DIALECT").pipe(Config.withDefault("generic")),
  credentials: Config.map(
    Config.all({
      accessKeyId: Config.string("STORE_S3_ACCESS_KEY_ID"),
      secretAccessKey: Config.redacted("STORE_S3_SECRET_ACCESS_KEY"),
      sessionToken: Config.option(Config.redacted("STORE_S3_SESSION_TOKEN"))
    }),
    ({ sessionToken, ...keys }): S3.Credentials =>
      Option.isSome(sessionToken) ? { ...keys, sessionToken: sessionToken.value } : keys
  )
})
