/**
 * A store in a container of Azure Blob Storage. Needs the package `@azure/storage-blob`, which is loaded when the first
 * store is opened.
 *
 * - A write is one request, or for streams and more than 32 MiB blocks of 4 MiB, 4 under way, that one last request makes
 *   the blob. Its condition is decided there, by the server. Blocks of a write that stops stay invisible; the service
 *   removes them after a week.
 * - There are no folders: an object `a` and an object `a/b` can both be there (`exclusiveNames` is not offered). Names
 *   in the container that are no keys, such as `folder/` or `a//b`, are not listed.
 * - Metadata is as other clients see it where its names are lower-case identifiers and its values ASCII; the rest is
 *   encoded.
 * - The client of Azure tries nothing twice: retries are for the layers, which know what may be repeated.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { Capability } from "./Capability.ts"
import type * as Driver from "./Driver.ts"
import { call } from "./internal/azureCall.ts"
import type { Container } from "./internal/azureCall.ts"
import { listPage } from "./internal/azureList.ts"
import { copyObject, deleteObject, getObject, moveObject, statObject } from "./internal/azureObject.ts"
import { putObject } from "./internal/azureWrite.ts"
import { classifyExplained, explain } from "./internal/explainFailure.ts"
import { guardOpening } from "./internal/kernel.ts"
import * as Store from "./Store.ts"
import type { StoreError } from "./StoreError.ts"

const capabilities = [
  "read",
  "range",
  "readIfMatch",
  "write",
  "atomicWrite",
  "createIfAbsent",
  "replaceIfMatch",
  "freshEtags",
  "metadata",
  "delete",
  "deleteIfMatch",
  "list",
  "move",
  "copy"
] as const satisfies ReadonlyArray<Capability>

/**
 * What a store in a container offers.
 *
 * @since 0.1.0
 * @category models
 */
export type AzureCapability = (typeof capabilities)[number]

/**
 * How we prove who we are: by a connection string (which names the endpoint itself), by the account's key, or by a
 * shared access signature.
 *
 * @since 0.1.0
 * @category options
 */
export type Credential =
  | { readonly connectionString: Redacted.Redacted<string> }
  | { readonly endpoint: string; readonly account: string; readonly accountKey: Redacted.Redacted<string> }
  | { readonly endpoint: string; readonly sasToken: Redacted.Redacted<string> }

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The container; it has to be there. */
  readonly container: string
  readonly credential: Credential
}

/**
 * Makes a store. Nothing is sent.
 *
 * @example
 * ```ts
 * import { Azure } from "@sennit/store"
 * import { Config, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Azure.make({
 *     container: "files",
 *     credential: { connectionString: yield* Config.redacted("AZURE_STORAGE_CONNECTION_STRING") }
 *   })
 *   yield* store.write("report.txt", "all well", { contentType: "text/plain" })
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Store.StoreOf<AzureCapability>, StoreError> =>
  guardOpening(
    { name: "azure", classify: classifyExplained },
    "",
    Effect.map(makeContainer(options), (container) => Store.fromDriver(makeDriver(container)))
  )

/**
 * A store in a container as the application's store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Store.Store, StoreError> =>
  Layer.effect(Store.Store, make(options))

/**
 * A store in a container as the application's store, configured from the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (config: Config.Config<Options>): Layer.Layer<Store.Store, StoreError | ConfigError> =>
  Layer.effect(Store.Store, Effect.flatMap(config, make))

const misconfigured = (what: string): Driver.Failure =>
  explain({ _tag: "Unavailable", reason: "Misconfigured", retryable: false }, what)

const retryNothing = { retryOptions: { maxTries: 1 } }

const makeContainer = ({ container, credential }: Options): Effect.Effect<Container, Driver.Failure> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import("@azure/storage-blob"),
      catch: () => misconfigured("the package @azure/storage-blob is not installed; npm install @azure/storage-blob")
    }),
    ({ BlobServiceClient, StorageSharedKeyCredential }) =>
      Effect.try({
        try: () => {
          if ("connectionString" in credential) {
            return BlobServiceClient.fromConnectionString(Redacted.value(credential.connectionString), retryNothing)
          }
          if ("sasToken" in credential) {
            const token = Redacted.value(credential.sasToken).replace(/^\?/, "")
            return new BlobServiceClient(`${credential.endpoint}?${token}`, undefined, retryNothing)
          }
          const key = new StorageSharedKeyCredential(credential.account, Redacted.value(credential.accountKey))
          return new BlobServiceClient(credential.endpoint, key, retryNothing)
        },
        // What the client says of a credential that it cannot read may hold it.
        catch: () => misconfigured("the endpoint or the credential cannot be read")
      }).pipe(Effect.map((service) => ({ client: service.getContainerClient(container) })))
  )

const makeDriver = (container: Container): Driver.Driver<AzureCapability> => ({
  name: "azure",
  capabilities: new Set(capabilities),
  quality: { replaceIfMatch: "server", atomicMove: "never", durability: "server" },
  stat: (key) => statObject(container, key),
  get: (key, options) => getObject(container, key, options),
  put: (key, body, options) => putObject(container, key, body, options),
  delete: (key, { ifMatch }) => deleteObject(container, key, ifMatch),
  listPage: (prefix, { recursive }) => listPage(container, prefix, recursive),
  move: (from, to, mode) => moveObject(container, from, to, mode),
  copy: (from, to, mode) => copyObject(container, from, to, mode),
  ping: Effect.asVoid(call(undefined, (abortSignal) => container.client.getProperties({ abortSignal }))),
  native: { toPath: (prefix) => prefix, toKey: (path) => path },
  classify: classifyExplained
})
