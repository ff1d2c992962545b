// @effect-diagnostics asyncFunction:off -- the harness speaks promises
import { createClient } from "@sennit/http-client/Promise"
import { Session } from "@sennit/http-client/Sync"
import { compare } from "./harness.ts"
import type { Side, Workload } from "./harness.ts"

const expected = "Hello, World!"

const blocking = (url: string): Side => {
  const session = new Session()
  return {
    run: async (count) => {
      for (let i = 0; i < count; i++) {
        if (session.get(url).text() !== expected) throw new Error("another body")
      }
    },
    close: async () => session.close()
  }
}

const waiting = (url: string): Side => {
  const client = createClient()
  return {
    run: async (count) => {
      for (let i = 0; i < count; i++) {
        // one after the other, as a program that blocks does
        const response = await client.get(url)
        if (await response.text() !== expected) throw new Error("another body")
      }
    },
    close: async () => client[Symbol.asyncDispose]()
  }
}

/** Calls that block beside the same session with promises: what the way to the worker and back costs. */
export const workloads: ReadonlyArray<Workload> = [
  compare(
    { id: "sync.get", unit: "requests/s", peerName: "createClient, one at a time", target: 0.4, batch: 50 },
    async ({ url }) => [blocking(url), waiting(url)]
  )
]
