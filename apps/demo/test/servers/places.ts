/** Where a demo can keep things: its folder alone, or PostgreSQL and Ceph's object gateway beside it. */
import { FetchHttpClient } from "@effect/platform"
import { S3, S3Signature } from "@sennit/store"
import { Effect, Option, Redacted, type Scope, Stream } from "effect"
import { readFile } from "node:fs/promises"
import path from "node:path"
import {
  missing as missingPostgres,
  start as startPostgres
} from "../../../../packages/secure-sessions/test/postgres.ts"
import * as Rgw from "../../../../packages/store/test/servers/rgw.ts"
import { isRequired } from "../../../../packages/store/test/servers/startServer.ts"
import { everyByte, temporaryFolder } from "./demo.ts"

export interface Place {
  readonly env: Record<string, string>
  /** The bytes of the conversations and of the attached files, as they lie there. */
  readonly bytes: Effect.Effect<{ readonly sessions: Buffer; readonly files: Buffer }>
}

const readIfThere = (file: string) =>
  Effect.map(Effect.option(Effect.tryPromise(() => readFile(file))), Option.getOrElse(() => Buffer.alloc(0)))

export const folderAlone: Effect.Effect<Place, never, Scope.Scope> = Effect.map(temporaryFolder, (data) => ({
  env: { SENNIT_DATA: data },
  bytes: Effect.all({
    sessions: Effect.map(
      Effect.forEach(["sessions.db", "sessions.db-wal"], (name) => readIfThere(path.join(data, name))),
      (parts) => Buffer.concat(parts)
    ),
    files: everyByte(path.join(data, "files"))
  })
}))

const bucket = { bucket: "sennit", region: "default", dialect: "rgw" } as const

const makeBucket = (endpoint: string) =>
  Effect.promise(async () => {
    const scope = {
      timestamp: new Date().toISOString().replaceAll(/[-:]|\.\d+/g, ""),
      region: bucket.region,
      service: "s3"
    }
    const payloadHash = S3Signature.sha256("")
    const request = {
      method: "PUT",
      path: `/${bucket.bucket}`,
      query: "",
      headers: { host: new URL(endpoint).host, "x-amz-content-sha256": payloadHash, "x-amz-date": scope.timestamp },
      payloadHash
    }
    const key = S3Signature.signingKey(Redacted.value(Rgw.credentials.secretAccessKey), scope)
    const authorization = S3Signature.authorization(Rgw.credentials.accessKeyId, key, request, scope)
    const { host: _, ...headers } = request.headers
    const response = await fetch(`${endpoint}${request.path}`, {
      method: "PUT",
      headers: { ...headers, authorization }
    })
    if (!response.ok) throw new Error(`the bucket was not made: ${response.status} ${await response.text()}`)
  })

export const servers: Effect.Effect<Place, never, Scope.Scope> = Effect.gen(function*() {
  const data = yield* temporaryFolder
  const [postgres, { endpoint }] = yield* Effect.all([startPostgres, Effect.orDie(Rgw.startRgw)], { concurrency: 2 })
  const url = yield* postgres.createDatabase
  yield* makeBucket(endpoint)
  const store = yield* S3.make({ ...bucket, endpoint, credentials: Rgw.credentials }).pipe(
    Effect.provide(FetchHttpClient.layer),
    Effect.orDie
  )
  return {
    env: {
      SENNIT_DATA: data,
      SENNIT_DATABASE_URL: Redacted.value(url),
      STORE_S3_ENDPOINT: endpoint,
      STORE_S3_BUCKET: bucket.bucket,
      STORE_S3_DIALECT: bucket.dialect,
      STORE_S3_REGION: bucket.region,
      STORE_S3_ACCESS_KEY_ID: Rgw.credentials.accessKeyId,
      STORE_S3_SECRET_ACCESS_KEY: Redacted.value(Rgw.credentials.secretAccessKey)
    },
    bytes: Effect.all({
      sessions: everyByte(path.join(postgres.data, "base")),
      files: store.list("", { recursive: true }).pipe(
        Stream.mapEffect(({ key }) => store.readBytes(key)),
        Stream.runCollect,
        Effect.map((parts) => Buffer.concat([...parts])),
        Effect.orDie
      )
    })
  }
})

const hint = Rgw.haveRgw ? missingPostgres : ` (no Ceph here: ${Rgw.hint})`

if (isRequired && hint !== undefined) throw new Error(`SENNIT_REQUIRE_SERVERS is set${hint}`)

/** Why there are no servers, or undefined when there are. */
export const missingServers = hint
