// @effect-diagnostics nodeBuiltinImport:off each case has a container of its own
import { describe, layer, vi } from "@effect/vitest"
import { Azure } from "@sennit/store"
import { conformanceFor } from "@sennit/store/testing"
import { Context, Effect, Layer, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { haveAzurite, makeAzurite } from "./servers/azurite.ts"
import type { Azurite } from "./servers/azurite.ts"
import { isRequired } from "./servers/startServer.ts"

vi.setConfig({ testTimeout: 0, hookTimeout: 0 })

class Server extends Context.Tag("@sennit/store/test/Azure.conformance.integration.test/Server")<Server, Azurite>() {}

const credential = { connectionString: Redacted.make("UseDevelopmentStorage=true") }
const { capabilities } = await Effect.runPromise(Azure.make({ container: "none", credential }))

describe.skipIf(!haveAzurite && !isRequired)("the contract on Azure Blob (npm ci --prefix test/servers)", () => {
  layer(Layer.scoped(Server, makeAzurite), { excludeTestServices: true })("Azurite", (it) => {
    for (const { name, run } of conformanceFor(capabilities)) {
      it.scoped(name, () =>
        Effect.gen(function*() {
          const server = yield* Server
          const container = randomUUID()
          yield* server.makeContainer(container)
          yield* run(yield* Azure.make({ container, credential: server.credential }))
        }))
    }
  })
})
