/** Creates keys in a store that others create the same keys in, and prints those that it won. */
import { NodeHttpClient } from "@effect/platform-node"
import { Azure, Local, S3, Sftp } from "@sennit/store"
import { Config, Console, Effect, Redacted } from "effect"
import type { Contested } from "./raceProcesses.ts"

const [name = "", printed = ""] = process.argv.slice(2)
const contested: Contested = JSON.parse(printed)

const open = Effect.gen(function*() {
  const secret = yield* Config.withDefault(Config.redacted("SECRET"), Redacted.make(""))
  switch (contested.backend) {
    case "local":
      return yield* Local.make(contested.options)
    case "sftp":
      return yield* Sftp.make({ ...contested.options, credential: { privateKey: secret } })
    case "azure":
      return yield* Azure.make({ ...contested.options, credential: { connectionString: secret } })
    case "s3": {
      const { accessKeyId, ...options } = contested.options
      const store = yield* S3.make({ ...options, credentials: { accessKeyId, secretAccessKey: secret } })
      return yield* store.require("createIfAbsent")
    }
  }
})

const program = Effect.gen(function*() {
  const store = yield* open
  const won = yield* Effect.filter(
    Array.from({ length: contested.keys }, (_, i) => `folder-${i % 7}/${i}`),
    (key) =>
      store.write(key, `${name} `.repeat(500)).pipe(
        Effect.as(true),
        Effect.catchTag("AlreadyExists", () => Effect.succeed(false))
      ),
    { concurrency: 8 }
  )
  yield* Console.log(won.join("\n"))
}).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici))

await Effect.runPromise(program)
