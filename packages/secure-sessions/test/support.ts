import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { KeyProvider, SecureSessions, Session } from "@sennit/secure-sessions"
import { Effect, Layer, Redacted } from "effect"

/** Runs with a layer that lives as long as the test's scope. */
export const using = <RIn, E2, ROut>(layer: Layer.Layer<ROut, E2, RIn>) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Layer.build(layer), (context) => Effect.provide(effect, context))

export const app = Session.AppName.make("desk")
export const ada = Session.UserId.make("ada")
export const eve = Session.UserId.make("eve")

export const say = (body: Session.Json): Session.EventInput => ({ author: "ada", body })

/** A key of 32 equal bytes, so that two tests can use the same or another one by its number. */
export const keyOf = (byte: number): Redacted.Redacted<Uint8Array> => Redacted.make(new Uint8Array(32).fill(byte))

export const keyring = (byte = 1): Layer.Layer<KeyProvider.KeyProvider> =>
  Layer.orDie(KeyProvider.layerKeyring([{ id: "test", key: keyOf(byte) }]))

/** The path of a database file in a folder that goes with the scope. */
export const temporaryFile = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  return `${yield* fs.makeTempDirectoryScoped({ prefix: "sennit-sessions-" })}/sessions.db`
}).pipe(using(NodeContext.layer))

/** Sessions in a file of the current scope. */
export const openFile = (filename: string, keys: Layer.Layer<KeyProvider.KeyProvider> = keyring()) =>
  Layer.provide(SecureSessions.layerSqlite({ filename, synchronous: "NORMAL" }), keys)

/** Sessions in a file, or in the PostgreSQL of a URL. */
export const openPlace = (place: string, keys: Layer.Layer<KeyProvider.KeyProvider> = keyring()) =>
  place.startsWith("postgres:")
    ? Layer.provide(SecureSessions.layerPg({ url: Redacted.make(place) }), keys)
    : openFile(place, keys)

/** Bytes of the database and of everything SQLite keeps beside it. */
export const filesOf = (filename: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = filename.slice(0, filename.lastIndexOf("/"))
    const names = (yield* fs.readDirectory(folder)).toSorted()
    const contents = yield* Effect.forEach(names, (name) => fs.readFile(`${folder}/${name}`))
    return names.map((name, index) => ({ name, bytes: Buffer.from(contents[index]!) }))
  }).pipe(using(NodeContext.layer))
