// @effect-diagnostics nodeBuiltinImport:off globalDate:off looks for the server and starts it
/** A real Azurite for one test file: `npm ci --prefix packages/store/test/servers --ignore-scripts`. */
import { AccountSASPermissions, BlobServiceClient } from "@azure/storage-blob"
import { Effect, Redacted } from "effect"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { tempFolder } from "../support/tempFolder.ts"
import { freePort, running } from "./startServer.ts"

const program = fileURLToPath(new URL("node_modules/azurite/dist/src/blob/main.js", import.meta.url))

export const haveAzurite = Fs.existsSync(program)

/** The account that every Azurite has; its key is in its documentation. */
const account = "devstoreaccount1"
const accountKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

export const makeAzurite = Effect.gen(function*() {
  const folder = yield* tempFolder
  const port = yield* freePort
  const options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobPort", String(port)]
  yield* running(process.execPath, [program, ...options, "--blobHost", "127.0.0.1", "--location", folder], port)
  const endpoint = `http://127.0.0.1:${port}/${account}`
  const connectionString =
    `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${accountKey};BlobEndpoint=${endpoint};`
  const service = BlobServiceClient.fromConnectionString(connectionString)
  /** A new container, in the eyes of Azure's own client. */
  const makeContainer = (name: string) =>
    Effect.as(Effect.promise(() => service.getContainerClient(name).create()), service.getContainerClient(name))
  /** An address with a signature that lets its bearer read and write everything. */
  const sasUrl = service.generateAccountSasUrl(
    new Date(8_000_000_000_000),
    AccountSASPermissions.parse("rwdlac"),
    "sco"
  )
  return {
    makeContainer,
    sasUrl,
    endpoint,
    account,
    accountKey: Redacted.make(accountKey),
    credential: { connectionString: Redacted.make(connectionString) }
  }
})

export type Azurite = Effect.Effect.Success<typeof makeAzurite>
