// @effect-diagnostics strictEffectProvide:off each test is an entry point
import { describe, expect, it } from "@effect/vitest"
import { Local, Store, StoreConfig } from "@sennit/store"
import { ConfigProvider, Effect, Redacted } from "effect"
import type { Config } from "effect"
import { tempFolder } from "./support/tempFolder.ts"

const read = (entries: ReadonlyArray<readonly [string, string]>) =>
  Effect.withConfigProvider(
    StoreConfig.local,
    ConfigProvider.fromMap(new Map(entries))
  )

const from = <A>(config: Config.Config<A>, entries: { readonly [name: string]: string }) =>
  Effect.withConfigProvider(config, ConfigProvider.fromMap(new Map(Object.entries(entries))))

describe("the settings of a server", () => {
  const sftp = { STORE_SFTP_HOST: "h", STORE_SFTP_USERNAME: "u", STORE_SFTP_ROOT: "files" }
  const azure = { STORE_AZURE_CONTAINER: "c" }

  it.effect("SFTP takes one proof of each side, and keeps its own secret", () =>
    Effect.gen(function*() {
      const { credential, ...rest } = yield* from(StoreConfig.sftp, {
        ...sftp,
        STORE_SFTP_FINGERPRINTS: "SHA256:a, SHA256:b",
        STORE_SFTP_PASSWORD: "geheim"
      })
      expect(rest).toEqual({
        host: "h",
        port: 22,
        username: "u",
        root: "files",
        durability: "none",
        hostKey: { fingerprints: ["SHA256:a", "SHA256:b"] }
      })
      expect("password" in credential && Redacted.value(credential.password)).toBe("geheim")
      expect(JSON.stringify(credential)).not.toContain("geheim")
      const keyed = yield* from(StoreConfig.sftp, {
        ...sftp,
        STORE_SFTP_KNOWN_HOSTS: "/k",
        STORE_SFTP_PRIVATE_KEY: "pem",
        STORE_SFTP_PASSPHRASE: "phrase"
      })
      expect(keyed.hostKey).toEqual({ knownHostsFile: "/k" })
      expect(Object.keys(keyed.credential)).toEqual(["privateKey", "passphrase"])
    }))

  it.effect("of what excludes one another one has to be given, and no more", () =>
    Effect.gen(function*() {
      const host = { ...sftp, STORE_SFTP_KNOWN_HOSTS: "/k" }
      const both = { ...host, STORE_SFTP_PRIVATE_KEY: "geheim", STORE_SFTP_PASSWORD: "geheim" }
      const refused = yield* Effect.flip(from(StoreConfig.sftp, both))
      expect(refused._op).toBe("InvalidData")
      expect(refused.message).not.toContain("geheim")
      expect((yield* Effect.flip(from(StoreConfig.sftp, host)))._op).toBe("MissingData")
      const half = { ...azure, STORE_AZURE_ACCOUNT_KEY: "geheim", STORE_AZURE_ENDPOINT: "https://a" }
      expect((yield* Effect.flip(from(StoreConfig.azure, half)))._op).toBe("MissingData")
      expect((yield* Effect.flip(from(StoreConfig.azure, azure)))._op).toBe("MissingData")
    }))

  it.effect("Azure takes a connection string, an account's key or a signature; HTTP an address", () =>
    Effect.gen(function*() {
      const kinds = [
        { STORE_AZURE_CONNECTION_STRING: "s" },
        { STORE_AZURE_ENDPOINT: "https://a", STORE_AZURE_ACCOUNT: "me", STORE_AZURE_ACCOUNT_KEY: "s" },
        { STORE_AZURE_ENDPOINT: "https://a", STORE_AZURE_SAS_TOKEN: "s" }
      ]
      const variants = yield* Effect.forEach(kinds, (kind) => from(StoreConfig.azure, { ...azure, ...kind }))
      expect(variants.map(({ credential }) => Object.keys(credential))).toEqual([
        ["connectionString"],
        ["endpoint", "account", "accountKey"],
        ["endpoint", "sasToken"]
      ])
      expect(yield* from(StoreConfig.http, { STORE_HTTP_URL: "https://a/b" })).toEqual({ baseUrl: "https://a/b" })
    }))
})

describe("StoreConfig", () => {
  it.effect("reads STORE_ROOT and STORE_DURABILITY", () =>
    Effect.gen(function*() {
      expect(yield* read([["STORE_ROOT", "/r"]])).toEqual({ root: "/r", durability: "none" })
      expect(yield* read([["STORE_ROOT", "/r"], ["STORE_DURABILITY", "fsync"]])).toEqual({
        root: "/r",
        durability: "fsync"
      })
      expect((yield* Effect.flip(read([["STORE_ROOT", "/r"], ["STORE_DURABILITY", "maybe"]])))._op).toBe("InvalidData")
      expect((yield* Effect.flip(read([])))._op).toBe("MissingData")
    }))

  it.scopedLive("opens the application's store", () =>
    Effect.gen(function*() {
      const root = yield* tempFolder
      yield* Effect.gen(function*() {
        const store = yield* Store.Store
        yield* store.write("a", "x")
        expect(store.quality.durability).toBe("fsync")
      }).pipe(
        Effect.provide(Local.layerConfig(StoreConfig.local)),
        Effect.withConfigProvider(
          ConfigProvider.fromMap(new Map([["STORE_ROOT", `${root}/made/on/demand`], ["STORE_DURABILITY", "fsync"]]))
        )
      )
    }))
})
