/** Creates keys in a store that others create the same keys in, and prints those that it won. */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Contested } from "./raceProcesses.ts"

const [name = "", printed = ""] = process.argv.slice(2)
const contested: Contested = JSON.parse(printed)

/** Loads no more than the backend needs: four of these start at once. */
const open = Effect.gen(function*() {
  const secret = yield* Config.withDefault(Config.redacted("SECRET"), Redacted.make(""))
  switch (contested.backend) {
    case "local": {
      const Local = yield* Effect.promise(() => import("@sennit/store/Local"))
      return yield* Local.make(contested.options)
    }
    case "sftp": {
      const Sftp = yield* Effect.promise(() => import("@sennit/store/Sftp"))
      return yield* Sftp.make({ ...contested.options, credential: { privateKey: secret } })
    }
    case "azure": {
      const Azure = yield* Effect.promise(() => import("@sennit/store/Azure"))
      return yield* Azure.make({ ...contested.options, credential: { connectionString: secret } })
    }
    case "s3": {
      const { accessKeyId, ...options } = contested.options
      const S3 = yield* Effect.promise(() => import("@sennit/store/S3"))
      const FetchHttpClient = yield* Effect.promise(() => import("@effect/platform/FetchHttpClient"))
      const store = yield* Effect.provide(
        S3.make({ ...options, credentials: { accessKeyId, secretAccessKey: secret } }),
        FetchHttpClient.layer
      )
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
}).pipe(Effect.scoped)

await Effect.runPromise(program)
