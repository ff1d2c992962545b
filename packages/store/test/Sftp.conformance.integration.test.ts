// @effect-diagnostics nodeBuiltinImport:off each case has a folder of its own
import { describe, layer, vi } from "@effect/vitest"
import { Sftp } from "@sennit/store"
import { conformanceFor } from "@sennit/store/testing"
import { Context, Effect, Layer } from "effect"
import { randomUUID } from "node:crypto"
import { haveSshd, makeSshd } from "./servers/sshd.ts"
import type { Sshd } from "./servers/sshd.ts"
import { isRequired } from "./servers/startServer.ts"

vi.setConfig({ testTimeout: 0, hookTimeout: 0 })

class Server extends Context.Tag("@sennit/store/test/Sftp.conformance.integration.test/Server")<Server, Sshd>() {}

const capabilities = new Set<Sftp.SftpCapability>([
  "read",
  "range",
  "exclusiveNames",
  "write",
  "atomicWrite",
  "createIfAbsent",
  "delete",
  "list",
  "move",
  "copy"
])

describe.skipIf(!haveSshd && !isRequired)(
  "the contract on SFTP (apt-get install openssh-server openssh-client)",
  () => {
    for (const durability of ["none", "fsync"] as const) {
      layer(Layer.scoped(Server, makeSshd()), { excludeTestServices: true })(`durability ${durability}`, (it) => {
        for (const { name, run } of conformanceFor(capabilities)) {
          it.scoped(name, () =>
            Effect.gen(function*() {
              const { options } = yield* Server
              yield* run(yield* Sftp.make({ ...options, durability, root: `${options.root}/${randomUUID()}` }))
            }))
        }
      })
    }
  }
)
