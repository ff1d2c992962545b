import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { MemoryScope, MemoryVault } from "@sennit/memory-vault"
import { Effect, Either, Layer } from "effect"

/** The path of a database in a folder that goes away with the scope. */
export const makeFile = Effect.gen(function*() {
  const fileSystem = yield* FileSystem.FileSystem
  const folder = yield* fileSystem.makeTempDirectoryScoped()
  return `${folder}/vault.db`
}).pipe((effect) => Effect.flatMap(Layer.build(NodeContext.layer), (context) => Effect.provide(effect, context)))

/** A vault in a file of its own. */
export const layerFile = Layer.unwrapScoped(Effect.map(makeFile, (filename) => MemoryVault.layerSqlite({ filename })))

/** A plain connection, to look at the file from outside. */
export const layerRaw = (filename: string) => SqliteClient.layer({ filename })

export const scopeOf = (user: string, tenant?: string) => Either.getOrThrow(MemoryScope.make({ user, tenant }))

export const userMemory = (user: string, tenant?: string) =>
  Effect.map(MemoryVault.MemoryVault, (vault) => vault.scoped(scopeOf(user, tenant)))

/** Runs an effect with a layer of its own, which ends with the effect: each use opens and closes its vault. */
export const within =
  <Services, Failure>(layer: Layer.Layer<Services, Failure>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Failure, Exclude<R, Services>> =>
    Effect.scoped(Effect.flatMap(Layer.build(layer), (context) => Effect.provide(effect, context)))
