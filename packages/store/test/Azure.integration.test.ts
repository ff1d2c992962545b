// @effect-diagnostics nodeBuiltinImport:off starts rclone
import { describe, expect, layer, vi } from "@effect/vitest"
import { Azure } from "@sennit/store"
import { Cause, Context, Effect, Either, Layer, Option, Redacted, Stream } from "effect"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import { inspect } from "node:util"
import { haveAzurite, makeAzurite } from "./servers/azurite.ts"
import type { Azurite } from "./servers/azurite.ts"
import { isInstalled, isRequired } from "./servers/startServer.ts"
import { raceProcesses } from "./support/raceProcesses.ts"
import { tempFolder } from "./support/tempFolder.ts"

vi.setConfig({ testTimeout: 0, hookTimeout: 0 })

class Server extends Context.Tag("@sennit/store/test/Azure.integration.test/Server")<Server, Azurite>() {}

const piece = Buffer.from(Uint8Array.from({ length: 1_000_003 }, (_, i) => (i * 31 + (i >>> 8) * 17) & 0xff))

/** A store in a container of its own, and that container as Azure's own client sees it. */
const open = Effect.gen(function*() {
  const server = yield* Server
  const container = randomUUID()
  const theirs = yield* server.makeContainer(container)
  return { store: yield* Azure.make({ container, credential: server.credential }), theirs, container, server }
})

const rclone = (...args: ReadonlyArray<string>) =>
  ChildProcess.execFileSync("rclone", ["--config", "/dev/null", ...args], { timeout: 30_000 })

const attempt = (credential: Azure.Credential) =>
  Effect.flip(Effect.flatMap(Azure.make({ container: "container", credential }), (store) => store.readText("a")))

describe.skipIf(!haveAzurite && !isRequired)("Azure Blob (npm ci --prefix test/servers)", () => {
  layer(Layer.scoped(Server, makeAzurite), { excludeTestServices: true })("with Azurite", (it) => {
    it.scoped("Azure's own client reads what we write with its metadata, and we what it writes", () =>
      Effect.gen(function*() {
        const { store, theirs } = yield* open
        const name = "grüße & co/a b%2e.bin"
        yield* store.write(name, piece, { contentType: "text/x", metadata: { author: "me", "not-a-name": "ä" } })
        expect((yield* Effect.promise(() => theirs.getBlobClient(name).downloadToBuffer())).equals(piece)).toBe(true)
        const properties = yield* Effect.promise(() => theirs.getBlobClient(name).getProperties())
        expect(properties.contentType).toBe("text/x")
        expect(properties.metadata).toMatchObject({ author: "me" })
        const written = theirs.getBlockBlobClient("theirs/x y")
        yield* Effect.promise(() => written.upload(piece, piece.length, { metadata: { colour: "red" } }))
        expect(Buffer.from(yield* store.readBytes("theirs/x y")).equals(piece)).toBe(true)
        expect((yield* store.stat("theirs/x y")).metadata).toEqual({ colour: "red" })
        yield* Effect.promise(() => theirs.getBlockBlobClient("no//key").upload("x", 1))
        const listed = yield* Stream.runCollect(store.list("", { recursive: true }))
        expect([...listed].map(({ key }) => key)).toEqual([name, "theirs/x y"])
        const etags = [...listed].map((entry) => entry._tag === "Object" && entry.etag)
        expect(etags).toEqual([(yield* store.stat(name)).etag, (yield* store.stat("theirs/x y")).etag])
      }))

    it.scoped.skipIf(!isInstalled("rclone") && !isRequired)(
      "rclone reads what we write, and we what it writes",
      () =>
        Effect.gen(function*() {
          const { container, server, store } = yield* open
          const folder = yield* tempFolder
          yield* store.write("a b/ü", piece)
          const remote = `:azureblob,sas_url="${server.sasUrl}":${container}`
          rclone("copy", remote, folder)
          expect(Fs.readFileSync(`${folder}/a b/ü`).equals(piece)).toBe(true)
          Fs.writeFileSync(`${folder}/c d`, piece)
          rclone("copy", `${folder}/c d`, remote)
          expect(Buffer.from(yield* store.readBytes("c d")).equals(piece)).toBe(true)
        })
    )

    it.scoped("any name and value of metadata comes back", () =>
      Effect.gen(function*() {
        const { store } = yield* open
        const metadata = { a_1: " padded ", "Über-Name": "", sennit_x: "=?utf-8?B?eA==?=", "1st": "line\nbreak" }
        yield* store.write("a", "x", { metadata })
        expect((yield* store.stat("a")).metadata).toEqual(metadata)
      }))

    it.scoped("a stream goes in blocks and is there at once, with a bounded window", () =>
      Effect.gen(function*() {
        const { store, theirs } = yield* open
        const count = 40
        let pulled = 0
        const body = Stream.map(Stream.range(1, count), () => {
          pulled++
          return piece
        })
        const written = yield* store.write("large", body, { contentType: "text/x", metadata: { a: "b" } })
        expect([written.size, pulled]).toEqual([piece.length * count, count])
        const info = yield* store.stat("large")
        expect([info.etag, info.size, info.contentType]).toEqual([written.etag, written.size, Option.some("text/x")])
        const read = yield* Effect.promise(() => theirs.getBlobClient("large").downloadToBuffer())
        expect(read.equals(Buffer.concat(Array.from({ length: count }, () => piece)))).toBe(true)
        const { blobItems } = yield* Effect.promise(async () =>
          (await theirs.listBlobsFlat({ includeUncommitedBlobs: true }).byPage().next()).value.segment
        )
        expect(blobItems.length).toBe(1)
        yield* store.write("empty", Stream.empty)
        expect((yield* store.stat("empty")).size).toBe(0)
      }))

    it.scoped("conditions hold for blocks as well: of many streams one creates, and a stale one replaces nothing", () =>
      Effect.gen(function*() {
        const { store } = yield* open
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 12 }, (_, racer) => racer),
          (racer) => Effect.either(store.write("key", Stream.make(Buffer.from(`racer ${racer}`)))),
          { concurrency: "unbounded" }
        )
        expect(outcomes.filter(Either.isRight).length).toBe(1)
        expect(new Set(outcomes.filter(Either.isLeft).map(({ left }) => left._tag))).toEqual(new Set(["AlreadyExists"]))
        const { etag } = yield* store.stat("key")
        yield* store.write("key", "new", { mode: "overwrite" })
        expect(yield* Effect.flip(store.write("key", Stream.make(piece), { mode: { ifMatch: etag } })))
          .toMatchObject({ _tag: "PreconditionFailed" })
        expect(yield* store.readText("key")).toBe("new")
      }))

    it.scoped("of 4 processes that create each of 100 keys one wins, and its bytes are whole", () =>
      Effect.gen(function*() {
        const { container, server, store } = yield* open
        const { connectionString } = server.credential
        yield* raceProcesses(store, { backend: "azure", options: { container }, keys: 100 }, connectionString)
      }))

    it.scoped("account key and shared access signature open the same container", () =>
      Effect.gen(function*() {
        const { container, server, store, theirs } = yield* open
        yield* store.write("a", "x")
        const { account, accountKey, endpoint } = server
        const byKey = yield* Azure.make({ container, credential: { endpoint, account, accountKey } })
        expect(yield* byKey.readText("a")).toBe("x")
        const url = yield* Effect.promise(async () => {
          const { ContainerSASPermissions } = await import("@azure/storage-blob")
          const permissions = ContainerSASPermissions.parse("rl")
          return theirs.generateSasUrl({ permissions, expiresOn: new Date(8_000_000_000_000) })
        })
        const sasToken = Redacted.make(new URL(url).search)
        const bySas = yield* Azure.make({ container, credential: { endpoint, sasToken } })
        expect(yield* bySas.readText("a")).toBe("x")
        const failure = yield* Effect.flip(bySas.write("b", "y"))
        expect(failure).toMatchObject({ _tag: "PermissionDenied" })
        expect(inspect(failure, { depth: 20, showHidden: true })).not.toContain("sig=")
      }))

    it.scoped("what fails shows no secret", () =>
      Effect.gen(function*() {
        const { endpoint, account } = yield* Server
        const accountKey = Redacted.make(Buffer.from("hush-hush").toString("base64"))
        const secret = Redacted.value(accountKey)
        const failures = yield* Effect.all([
          attempt({ connectionString: Redacted.make(secret) }),
          attempt({ endpoint, account, accountKey }),
          attempt({ endpoint: "http://127.0.0.1:1/x", account, accountKey })
        ])
        for (const failure of failures) {
          expect(inspect(failure, { depth: 20, showHidden: true })).not.toContain(secret)
          expect(Cause.pretty(Cause.fail(failure))).not.toContain(secret)
        }
        expect(failures)
          .toMatchObject([{ reason: "Misconfigured" }, { _tag: "PermissionDenied" }, { reason: "Network" }])
      }))

    it.scoped("a container that is not there is no empty store", () =>
      Effect.gen(function*() {
        const { credential } = yield* Server
        const store = yield* Azure.make({ container: "not-there", credential })
        for (const effect of [store.readText("a"), store.write("a", "x"), Stream.runDrain(store.list(""))]) {
          expect(yield* Effect.flip(Effect.asVoid(effect))).toMatchObject({ reason: "Misconfigured", retryable: false })
        }
      }))
  })
})
