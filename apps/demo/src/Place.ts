/** Where a command works: at the server of this data folder when it runs, and in this process otherwise. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Path from "@effect/platform/Path"
import { HttpClient } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ServerInfo } from "./Api.ts"
import { DemoConfig } from "./DemoConfig.ts"
import * as Desk from "./Desk.ts"
import * as Layers from "./Layers.ts"

export const addressOf = (port: number) => `http://127.0.0.1:${port}`

const decodeInfo = Schema.decodeUnknown(ServerInfo)

/** Who a command is for: one person, by default that of the configuration, or the whole folder. */
export type For = Option.Option<string> | "everyone"

/** Whether the server that holds this data folder runs for this person: then the work is done there. */
export const isServed = (config: DemoConfig, folder: string, whom: For) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.get(`${addressOf(config.port)}/api/info`)
    const info = yield* Effect.flatMap(response.json, decodeInfo)
    return info.dataFolder === folder && (whom === "everyone" || info.person === config.user)
  }).pipe(
    Effect.timeout("2 seconds"),
    // Nobody listens there, or somebody else does: the work is done in this process.
    Effect.orElseSucceed(() => false)
  )

/** Runs a command at that server, or in this process. */
export const there = <A, E, R>(whom: For, command: Effect.Effect<A, E, R | Desk.Desk>) =>
  Effect.gen(function*() {
    const configured = yield* DemoConfig
    // Whoever may read the folder needs no password: the work is done in this process.
    const user = whom === "everyone" ? configured.user : Option.getOrElse(whom, () => configured.user)
    const config = { ...configured, user, accounts: false }
    const path = yield* Path.Path
    const here = Layer.provide(Desk.layerLocal, [Layers.layer(config, { goesOn: false }), NodeHttpServer.layerContext])
    return (yield* isServed(config, path.resolve(config.dataFolder), whom))
      ? yield* Effect.provide(command, Desk.layerRemote(addressOf(config.port)))
      : yield* Effect.provide(command, here)
  }).pipe(Effect.provide(HttpClient.layerPooled()))
