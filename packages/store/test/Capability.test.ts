// @effect-diagnostics nodeBuiltinImport:off the README is compared as a file
import { describe, expect, it } from "@effect/vitest"
import { Capability, Memory } from "@sennit/store"
import type { Azure, Http, Local, S3, Sftp } from "@sennit/store"
import { Effect } from "effect"
import * as Fs from "node:fs"

/** Exactly the members of a type: one too few or too many does not compile. */
type Exactly<C extends Capability.Capability> = { readonly [K in C]: true }

const memory: Exactly<Memory.MemoryCapability> = {
  read: true,
  range: true,
  readIfMatch: true,
  write: true,
  atomicWrite: true,
  createIfAbsent: true,
  replaceIfMatch: true,
  freshEtags: true,
  exclusiveNames: true,
  metadata: true,
  delete: true,
  deleteIfMatch: true,
  list: true,
  move: true,
  copy: true
}

const local: Exactly<Local.LocalCapability> = {
  read: true,
  range: true,
  readIfMatch: true,
  write: true,
  atomicWrite: true,
  createIfAbsent: true,
  replaceIfMatch: true,
  freshEtags: true,
  exclusiveNames: true,
  delete: true,
  deleteIfMatch: true,
  list: true,
  move: true,
  copy: true
}

const s3: Exactly<S3.S3Capability> = {
  read: true,
  range: true,
  readIfMatch: true,
  write: true,
  atomicWrite: true,
  metadata: true,
  delete: true,
  list: true,
  move: true,
  copy: true
}

const azure: Exactly<Azure.AzureCapability> = {
  read: true,
  range: true,
  readIfMatch: true,
  write: true,
  atomicWrite: true,
  createIfAbsent: true,
  replaceIfMatch: true,
  freshEtags: true,
  metadata: true,
  delete: true,
  deleteIfMatch: true,
  list: true,
  move: true,
  copy: true
}

const sftp: Exactly<Sftp.SftpCapability> = {
  read: true,
  range: true,
  exclusiveNames: true,
  delete: true,
  list: true,
  write: true,
  atomicWrite: true,
  move: true,
  copy: true,
  createIfAbsent: true
}

const http: Exactly<Http.HttpCapability> = {
  read: true,
  range: true,
  readIfMatch: true
}

const offers = (record: object): Pick<ReadonlySet<Capability.Capability>, "has"> => ({
  has: (capability) => capability in record
})

const backends = {
  memory: offers(memory),
  local: offers(local),
  s3: offers(s3),
  azure: offers(azure),
  sftp: offers(sftp),
  http: offers(http)
}

const cells = (text: string) =>
  text.split("\n").map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "-")).join("|"))

describe("the capability matrix", () => {
  it("of the README is what the types of the drivers say", () => {
    const readme = cells(Fs.readFileSync(new URL("../README.md", import.meta.url), "utf8"))
    expect(cells(Capability.matrix(backends)).filter((row) => !readme.includes(row))).toEqual([])
  })

  it.effect("is what a store offers at run time", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make()
      expect(Capability.all.filter((capability) => store.supports(capability))).toEqual(
        Capability.all.filter((capability) => capability in memory)
      )
    }))
})
