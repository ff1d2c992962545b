import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// Tests resolve packages to their sources, so they never see a stale build.
const conditions = ["@sennit/source", "node", "development|production"]

const project = (name: string, root: string, include: Array<string> = ["test/**/*.test.ts"]) => ({
  extends: true as const,
  test: { name, root: fileURLToPath(new URL(root, import.meta.url)), include }
})

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // Most tests wait for processes and files of their own, so every core has a worker.
    maxWorkers: availableParallelism(),
    minWorkers: 1,
    // A guard against hanging, not a measure: tests start servers, browsers and processes on busy machines.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      project("store", "packages/store"),
      project("http-client", "packages/http-client"),
      project("secure-sessions", "packages/secure-sessions"),
      project("memory-vault", "packages/memory-vault"),
      project("agent", "packages/agent"),
      project("demo", "apps/demo"),
      project("house", "tools", ["test/**/*.test.ts"])
    ]
  }
})
