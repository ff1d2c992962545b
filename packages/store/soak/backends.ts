// @effect-diagnostics asyncFunction:off loads what is there only in this workspace
/** Stores on real servers, those whose programs are installed. */
import type { HttpClient } from "@effect/platform/HttpClient"
import { Local, S3, Sftp } from "@sennit/store"
import type { Store, StoreError } from "@sennit/store"
import { Effect, Layer } from "effect"
import type { Scope } from "effect"
import { foreignClients, haveForeign } from "../test/servers/foreignS3.ts"
import * as Rgw from "../test/servers/rgw.ts"
import { haveSshd, makeSshd } from "../test/servers/sshd.ts"
import { tempFolder } from "../test/support/tempFolder.ts"

export type Soaked = Store.StoreOf<Store.Common>

/** Siblings are not dependencies: the client is there because this is one workspace. */
const client = Layer.unwrapEffect(Effect.promise(async () => {
  const name: string = "@sennit/http-client"
  const loaded: { readonly HttpClient: { readonly layerPooled: () => Layer.Layer<HttpClient> } } = await import(name)
  return loaded.HttpClient.layerPooled()
}))

export const openLocal = Effect.flatMap(tempFolder, (root) => Local.make({ root }))

export const haveRgw = Rgw.haveRgw && haveForeign

/** A store, and how to kill its server and start it again. */
interface Engine {
  readonly store: Soaked
  readonly restart: Effect.Effect<void>
}

export const openRgw = (gibibytes: number): Effect.Effect<Engine, StoreError.StoreError, Scope.Scope> =>
  Effect.gen(function*() {
    const gateway = yield* Effect.orDie(Rgw.startRgwOf(gibibytes))
    const options: S3.Options & { readonly credentials: S3.Credentials } = {
      endpoint: gateway.endpoint,
      bucket: "soak",
      region: "default",
      dialect: "rgw",
      credentials: Rgw.credentials
    }
    yield* foreignClients(options).aws("create-bucket")
    const context = yield* Layer.build(client)
    const store = yield* Effect.provide(S3.make(options), context)
    return { store: yield* store.require("createIfAbsent"), restart: gateway.restart }
  })

export const openSftp: Effect.Effect<Engine, StoreError.StoreError, Scope.Scope> = Effect.gen(function*() {
  const server = yield* makeSshd()
  return { store: yield* Sftp.make(server.options), restart: server.restart }
})

interface All {
  readonly stores: ReadonlyArray<readonly [name: string, store: Soaked]>
  readonly absent: ReadonlyArray<string>
}

/** The stores that can be had here by their names, and a line for each that cannot. */
export const openAll: Effect.Effect<All, StoreError.StoreError, Scope.Scope> = Effect.gen(function*() {
  const stores: Array<readonly [name: string, store: Soaked]> = [["local", yield* openLocal]]
  const absent: Array<string> = []
  if (haveSshd) stores.push(["sftp", (yield* openSftp).store])
  else absent.push("no sshd here")
  if (haveRgw) stores.push(["rgw", (yield* openRgw(4)).store])
  else absent.push(`no Ceph here: ${Rgw.hint}, and awscli and rclone`)
  return { stores, absent }
})
