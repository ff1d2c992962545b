/**
 * What a store reads from the environment.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Azure from "./Azure.ts"
import type * as Http from "./Http.ts"
import type { Options } from "./Local.ts"
import type * as S3 from "./S3.ts"
import type * as Sftp from "./Sftp.ts"

/**
 * One store of any driver, as plain data.
 *
 * @since 0.1.0
 * @category models
 */
export type Settings =
  | { readonly driver: "memory" }
  | { readonly driver: "local" } & Options
  | { readonly driver: "s3"; readonly credentials: S3.Credentials } & Omit<S3.Options, "credentials">
  | { readonly driver: "sftp" } & Sftp.Options
  | { readonly driver: "azure" } & Azure.Options
  | { readonly driver: "http" } & Http.Options

const durability = (name: string): Config.Config<"none" | "fsync"> =>
  Config.literal("none", "fsync")(name).pipe(Config.withDefault("none"))

/**
 * `STORE_ROOT` (required) and `STORE_DURABILITY` (`none` or `fsync`, default `none`) of a local store.
 *
 * @since 0.1.0
 * @category config
 */
export const local: Config.Config<Options> = Config.all({
  root: Config.string("STORE_ROOT"),
  durability: durability("STORE_DURABILITY")
})

/**
 * `STORE_S3_ENDPOINT`, `STORE_S3_BUCKET`, `STORE_S3_ACCESS_KEY_ID` and `STORE_S3_SECRET_ACCESS_KEY` (required),
 * `STORE_S3_SESSION_TOKEN`, `STORE_S3_REGION` (default `us-east-1`), `STORE_S3_PREFIX` (default: the whole bucket) and
 * `STORE_S3_DIALECT` (`aws`, `rgw`, `swift` or `generic`, the default) of a store in an S3 bucket.
 *
 * @since 0.1.0
 * @category config
 */
export const s3: Config.Config<Omit<S3.Options, "credentials"> & { readonly credentials: S3.Credentials }> = Config.all(
  {
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
  }
)

/** The one that is given of several that exclude each other; `wanted` says which there are. */
const onlyOne = <A>(
  wanted: string,
  given: ReadonlyArray<Option.Option<A>>
): Either.Either<A, ConfigError.ConfigError> => {
  const [first, ...others] = given.flatMap((one) => Option.toArray(one))
  if (first === undefined) return Either.left(ConfigError.MissingData([], `give ${wanted}`))
  return others.length === 0
    ? Either.right(first)
    : Either.left(ConfigError.InvalidData([], `give only one of ${wanted}`))
}

/**
 * `STORE_SFTP_HOST`, `STORE_SFTP_USERNAME` and `STORE_SFTP_ROOT` (required), `STORE_SFTP_PORT` (default 22),
 * `STORE_SFTP_DURABILITY` (`none` or `fsync`, default `none`); one of `STORE_SFTP_FINGERPRINTS` (separated by commas)
 * and `STORE_SFTP_KNOWN_HOSTS` (a file); one of `STORE_SFTP_PRIVATE_KEY` (with `STORE_SFTP_PASSPHRASE`) and
 * `STORE_SFTP_PASSWORD` of a store on an SFTP server.
 *
 * @since 0.1.0
 * @category config
 */
export const sftp: Config.Config<Sftp.Options> = Config.all({
  host: Config.string("STORE_SFTP_HOST"),
  port: Config.port("STORE_SFTP_PORT").pipe(Config.withDefault(22)),
  username: Config.string("STORE_SFTP_USERNAME"),
  root: Config.string("STORE_SFTP_ROOT"),
  durability: durability("STORE_SFTP_DURABILITY"),
  hostKey: Config.all([
    Config.option(Config.array(Config.string(), "STORE_SFTP_FINGERPRINTS")),
    Config.option(Config.string("STORE_SFTP_KNOWN_HOSTS"))
  ]).pipe(
    Config.mapOrFail(([fingerprints, file]) =>
      onlyOne<Sftp.HostKey>("STORE_SFTP_FINGERPRINTS, STORE_SFTP_KNOWN_HOSTS", [
        Option.map(fingerprints, (list) => ({ fingerprints: list })),
        Option.map(file, (knownHostsFile) => ({ knownHostsFile }))
      ])
    )
  ),
  credential: Config.all([
    Config.option(Config.redacted("STORE_SFTP_PRIVATE_KEY")),
    Config.option(Config.redacted("STORE_SFTP_PASSPHRASE")),
    Config.option(Config.redacted("STORE_SFTP_PASSWORD"))
  ]).pipe(
    Config.mapOrFail(([key, passphrase, password]) =>
      onlyOne<Sftp.Credential>("STORE_SFTP_PRIVATE_KEY, STORE_SFTP_PASSWORD", [
        Option.map(
          key,
          (privateKey) => Option.isSome(passphrase) ? { privateKey, passphrase: passphrase.value } : { privateKey }
        ),
        Option.map(password, (one) => ({ password: one }))
      ])
    )
  )
})

/**
 * `STORE_AZURE_CONTAINER` (required) and one of `STORE_AZURE_CONNECTION_STRING`, `STORE_AZURE_ACCOUNT_KEY` (with
 * `STORE_AZURE_ENDPOINT` and `STORE_AZURE_ACCOUNT`) and `STORE_AZURE_SAS_TOKEN` (with `STORE_AZURE_ENDPOINT`) of a store
 * in a container of Azure Blob.
 *
 * @since 0.1.0
 * @category config
 */
export const azure: Config.Config<Azure.Options> = Config.all({
  container: Config.string("STORE_AZURE_CONTAINER"),
  credential: Config.all([
    Config.option(Config.redacted("STORE_AZURE_CONNECTION_STRING")),
    Config.option(Config.redacted("STORE_AZURE_ACCOUNT_KEY")),
    Config.option(Config.redacted("STORE_AZURE_SAS_TOKEN")),
    Config.option(Config.string("STORE_AZURE_ENDPOINT")),
    Config.option(Config.string("STORE_AZURE_ACCOUNT"))
  ]).pipe(Config.mapOrFail(([whole, key, token, endpoint, account]) =>
    Either.flatMap(
      onlyOne(
        "STORE_AZURE_CONNECTION_STRING, STORE_AZURE_ACCOUNT_KEY, STORE_AZURE_SAS_TOKEN",
        [
          Option.map(whole, (connectionString) => Option.some<Azure.Credential>({ connectionString })),
          Option.map(key, (accountKey) =>
            Option.map(
              Option.all([endpoint, account]),
              ([url, name]): Azure.Credential => ({ endpoint: url, account: name, accountKey })
            )),
          Option.map(
            token,
            (sasToken) => Option.map(endpoint, (url): Azure.Credential => ({ endpoint: url, sasToken }))
          )
        ]
      ),
      Either.fromOption(() =>
        ConfigError.MissingData([], "STORE_AZURE_ENDPOINT, or STORE_AZURE_ACCOUNT, is missing for the credential")
      )
    )
  ))
})

/**
 * `STORE_HTTP_URL` (required), the root of a read-only store over HTTP.
 *
 * @since 0.1.0
 * @category config
 */
export const http: Config.Config<Http.Options> = Config.all({ baseUrl: Config.string("STORE_HTTP_URL") })

const drivers = ["memory", "local", "s3", "sftp", "azure", "http"] as const

const settingsOf: { readonly [D in (typeof drivers)[number]]: Effect.Effect<Settings, ConfigError.ConfigError> } = {
  memory: Effect.succeed({ driver: "memory" }),
  local: Config.map(local, (options) => ({ driver: "local", ...options })),
  s3: Config.map(s3, (options) => ({ driver: "s3", ...options })),
  sftp: Config.map(sftp, (options) => ({ driver: "sftp", ...options })),
  azure: Config.map(azure, (options) => ({ driver: "azure", ...options })),
  http: Config.map(http, (options) => ({ driver: "http", ...options }))
}

/**
 * `STORE_DRIVER` (`memory`, `local`, `s3`, `sftp`, `azure` or `http`, required), and what that driver reads.
 *
 * @since 0.1.0
 * @category config
 */
export const settings: Effect.Effect<Settings, ConfigError.ConfigError> = Effect.flatMap(
  Config.literal(...drivers)("STORE_DRIVER"),
  (driver) => settingsOf[driver]
)

/**
 * The same for one of several stores: the name, in capitals, goes before each variable (`UPLOADS_STORE_DRIVER`,
 * `USER_FILES_STORE_ROOT`). Of several sources the first that has the driver is the only one that is read, so that no
 * store is put together from two. Without sources it is the program's `ConfigProvider`.
 *
 * @since 0.1.0
 * @category config
 */
export const named = (
  name: string,
  sources?: ReadonlyArray<ConfigProvider.ConfigProvider>
): Effect.Effect<Settings, ConfigError.ConfigError> => {
  const read = (source: ConfigProvider.ConfigProvider) => ConfigProvider.nested(source, constantCase(name))
  return Effect.flatMap(
    sources === undefined ? Effect.configProviderWith((source) => Effect.succeed([source])) : Effect.succeed(sources),
    (all) => {
      const [last, ...earlier] = all.map(read).toReversed()
      return last === undefined
        ? Effect.fail(ConfigError.MissingData([constantCase(name)], "there is no source to read it from"))
        : Effect.flatMap(
          Effect.findFirst(earlier.toReversed(), mentions),
          (first) => Effect.withConfigProvider(settings, Option.getOrElse(first, () => last))
        )
    }
  )
}

const mentions = (source: ConfigProvider.ConfigProvider) =>
  Effect.isSuccess(Effect.withConfigProvider(Config.string("STORE_DRIVER"), source))

const constantCase = (name: string): string =>
  name.replaceAll(/([a-z\d])([A-Z])/g, "$1_$2").replaceAll(/[^A-Za-z\d]+/g, "_").toUpperCase()
