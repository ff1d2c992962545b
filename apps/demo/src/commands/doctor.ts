/** `doctor`: what is set, what works, and what to do about what does not. */
import * as Command from "@effect/cli/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { HttpClient } from "@sennit/http-client"
import { Store } from "@sennit/store"
import * as ConfigError from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { DemoConfig } from "../DemoConfig.ts"
import { Quietly } from "../DemoError.ts"
import { Desk } from "../Desk.ts"
import * as FileStore from "../FileStore.ts"
import * as OtherTools from "../OtherTools.ts"
import { addressOf, isServed, there } from "../Place.ts"
import { asJson, toText } from "./output.ts"

interface Finding {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  /** What to do; empty where nothing is to be done. */
  readonly advice: string
}

const fine = (name: string, detail: string): Finding => ({ name, ok: true, detail, advice: "" })
const broken = (name: string, detail: string, advice: string): Finding => ({ name, ok: false, detail, advice })

const messageOf = (error: unknown): string =>
  ConfigError.isConfigError(error) ? String(error) : error instanceof Error ? error.message : String(error)

/** Opens the data as any command does; a folder that is not there yet is left so. */
const checkData = (folder: string) =>
  there(
    "everyone",
    Effect.flatMap(Desk, ({ api, health }) => Effect.all([health, api.server.info()]))
  ).pipe(
    Effect.match({
      onFailure: (
        error
      ) => [
        broken(
          "data",
          messageOf(error),
          `Nothing in ${folder} was changed. Do what is said here, or set SENNIT_DATA to another folder.`
        )
      ],
      onSuccess: ([{ checks }, { filesIn, sessionsIn }]) => {
        const where = new Map([["conversations", sessionsIn], ["memory", "memory.db"], ["files", filesIn]])
        return checks.map(({ detail, name, ok }) =>
          ok
            ? fine(name, `${where.get(name)}, ${detail}`)
            : broken(name, `${where.get(name)}: ${detail}`, `Look at it, or restore it; in ${folder} is the rest.`)
        )
      }
    })
  )

const checkKeyFile = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(folder, "key")
  const mode = yield* Effect.option(Effect.map(fs.stat(file), (info) => info.mode))
  return Option.match(mode, {
    onNone: () => fine("key", "no key file: the environment has the key, or the first start makes one"),
    onSome: (bits) =>
      (bits & 0o077) === 0
        ? fine("key", `${file}, only its owner may read it`)
        : broken("key", `${file} can be read by others`, `chmod 600 ${file}`)
  })
})

const checkPort = (port: number, served: boolean) =>
  served
    ? Effect.succeed(fine("server", `runs at ${addressOf(port)}`))
    : HttpClient.HttpClient.pipe(
      Effect.flatMap((client) => client.get(addressOf(port))),
      Effect.timeout("2 seconds"),
      Effect.match({
        onFailure: () => fine("server", `not running; port ${port} is free`),
        onSuccess: () => broken("server", `another program answers on port ${port}`, "Set SENNIT_PORT to another port.")
      })
    )

const checkModel = ({ modelAddress, modelKey, modelName }: DemoConfig) =>
  Option.match(modelAddress, {
    onNone: () => Effect.succeed(fine("model", "offline planner (set OPENAI_BASE_URL to use a language model)")),
    onSome: (address) =>
      Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        const key = Option.map(modelKey, (secret) => ({ authorization: `Bearer ${Redacted.value(secret)}` }))
        const headers = Option.getOrElse(key, () => ({}))
        const { status } = yield* client.get(`${address}/models`, { headers })
        if (status === 401 || status === 403) {
          return broken("model", `${address} refuses the key (${status})`, "Set OPENAI_API_KEY.")
        }
        return fine("model", `${modelName} at ${address} (answered ${status})`)
      }).pipe(
        Effect.timeout("5 seconds"),
        Effect.catchAll((error) =>
          Effect.succeed(broken(
            "model",
            `${address} does not answer: ${messageOf(error)}`,
            "Start the model's server, correct OPENAI_BASE_URL, or unset it to use the offline planner."
          ))
        )
      )
  })

/** The servers that the configuration names; what is on this machine is looked at with the data. */
const checkServers = ({ databaseUrl, filesAddress }: DemoConfig, folder: string) => {
  const database = Option.map(databaseUrl, (url) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`).pipe(
      Effect.provide(PgClient.layer({ url, maxConnections: 1 })),
      Effect.timeout("5 seconds"),
      Effect.match({
        onFailure: () =>
          broken(
            "database",
            "PostgreSQL does not answer, or refuses",
            "Start it and make the database, correct SENNIT_DATABASE_URL, or unset it to use a file."
          ),
        onSuccess: () => fine("database", "PostgreSQL answers")
      })
    ))
  const bucket = Option.map(
    filesAddress,
    (address) =>
      Effect.flatMap(Store.Store, (store) => Stream.runHead(store.list(""))).pipe(
        Effect.provide(FileStore.layer({ filesAddress: Option.some(address) }, folder)),
        Effect.timeout("10 seconds"),
        Effect.match({
          onFailure: (error) =>
            broken(
              "bucket",
              messageOf(error),
              "Start the server and make the bucket, correct STORE_S3_*, or unset STORE_S3_ENDPOINT to use a folder."
            ),
          onSuccess: () => fine("bucket", `${address} answers`)
        })
      )
  )
  return Effect.all([...Option.toArray(database), ...Option.toArray(bucket)])
}

/** Each is asked anew, also where a server of ours runs that knows them. */
const checkTools = ({ mcpServers }: DemoConfig) =>
  Effect.flatMap(OtherTools.OtherTools, ({ servers }) => servers).pipe(
    Effect.map((states) =>
      states.map(({ connected, detail, name, tools }) =>
        connected
          ? fine(`mcp ${name}`, `connected, ${tools.length} tools`)
          : broken(
            `mcp ${name}`,
            detail,
            "Start it, or correct SENNIT_MCP_SERVERS. Without it the assistant works with its other tools."
          )
      )
    ),
    Effect.provide(OtherTools.layer(mcpServers))
  )

const examine = Effect.gen(function*() {
  const config = yield* DemoConfig
  const fs = yield* FileSystem.FileSystem
  const folder = (yield* Path.Path).resolve(config.dataFolder)
  const served = yield* isServed(config, folder, "everyone")
  const exists = yield* Effect.orElseSucceed(fs.exists(folder), () => true)
  const servers = yield* checkServers(config, folder)
  const data = exists
    ? yield* Effect.zipWith(checkKeyFile(folder), checkData(folder), (key, checks) => [key, ...checks])
    : [fine("data", `${folder} is made at the first start`)]
  const server = config.port === 0 ? fine("server", "takes any free port") : yield* checkPort(config.port, served)
  const model = yield* checkModel(config)
  const tools = yield* checkTools(config)
  return [fine("node", process.version), fine("folder", folder), ...servers, ...data, server, model, ...tools]
}).pipe(
  Effect.catchAll((error) =>
    Effect.succeed([broken("settings", messageOf(error), "Correct the variable that is named.")])
  ),
  Effect.provide(HttpClient.layerPooled())
)

const describe = ({ advice, detail, name, ok }: Finding) =>
  `${ok ? "ok     " : "BROKEN "} ${name.padEnd(14)}${detail}${advice === "" ? "" : `\n        -> ${advice}`}`

export const doctor = Command.make("doctor", { json: asJson }, ({ json }) =>
  Effect.gen(function*() {
    const findings = yield* examine
    const ok = findings.every((finding) => finding.ok)
    yield* Console.log(json ? toText({ ok, findings }) : findings.map(describe).join("\n"))
    if (!ok) return yield* new Quietly()
  })).pipe(Command.withDescription("Say what works, and what to do about what does not"))
