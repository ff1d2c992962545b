import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, it } from "vitest"

const root = path.resolve(import.meta.dirname, "../..")
const anatomy: Record<string, { readonly main: string; readonly prefix: string }> = {
  store: { main: "Store", prefix: "Store" },
  "http-client": { main: "HttpClient", prefix: "Http" },
  "secure-sessions": { main: "SecureSessions", prefix: "SecureSessions" },
  "memory-vault": { main: "MemoryVault", prefix: "MemoryVault" },
  agent: { main: "Agent", prefix: "Agent" }
}
const text = (...parts: ReadonlyArray<string>) => readFileSync(path.join(root, ...parts), "utf8")
const files = (...parts: ReadonlyArray<string>) =>
  readdirSync(path.join(root, ...parts), { recursive: true, encoding: "utf8" })

/** A long list of errors is written in internal/*Errors.ts, and exported by the one module of errors. */
const isErrorModule = (file: string, prefix: string) =>
  file.endsWith(`${prefix}Error.ts`) || /^internal\/\w+Errors\.ts$/.test(file)

describe("the five packages are built alike", () => {
  it("and no package is missing from this list", () => {
    expect(readdirSync(path.join(root, "packages")).toSorted()).toEqual(Object.keys(anatomy).toSorted())
  })

  for (const [name, { main, prefix }] of Object.entries(anatomy)) {
    describe(`@sennit/${name}`, () => {
      it("has the same rooms", () => {
        const own = files("packages", name).filter((file) => !/node_modules|dist/.test(file))
        for (
          const wanted of [
            "README.md",
            "api.md",
            "package.json",
            "tsconfig.json",
            "tsconfig.src.json",
            "tsconfig.test.json",
            "src/index.ts",
            `src/${main}.ts`,
            `src/${prefix}Error.ts`,
            `src/${prefix}Config.ts`,
            "src/Promise.ts",
            "src/Telemetry.ts",
            "src/testing/index.ts",
            "benchmark/main.ts",
            "benchmark/package.json",
            "benchmark/package-lock.json"
          ]
        ) expect(own).toContain(wanted)
        expect(own.some((file) => /^examples\/01-[\w-]+\.ts$/.test(file))).toBe(true)
        expect(own.filter((file) => /(^|\/)(utils?|helpers?|common|misc|shared)(\.ts|\/)/i.test(file))).toEqual([])
      })

      it("has an index of nothing but nouns", () => {
        const lines = text("packages", name, "src/index.ts").replaceAll(/\/\*\*[\s\S]*?\*\//g, "").split("\n").filter(
          Boolean
        )
        // A folder holds more than about seven of a kind; adapters pull in packages that are optional, and servers have paths of their own.
        const modules = files("packages", name, "src").filter((file) =>
          /^(?:(?!adapters|internal|server|testing)[a-z]+\/)?[A-Z]\w*\.ts$/.test(file) &&
          !["Promise.ts", "Sync.ts", "Adk.ts"].includes(file)
        )
        expect(lines.toSorted()).toEqual(
          modules.map((file) => `export * as ${path.basename(file, ".ts")} from "./${file}"`).toSorted()
        )
      })

      it("keeps its README short and its errors typed", () => {
        expect(text("packages", name, "README.md").split("\n").length).toBeLessThanOrEqual(121)
        const sources = files("packages", name, "src").filter((file) => file.endsWith(".ts"))
        const errors = sources.filter((file) => isErrorModule(file, prefix)).map((file) =>
          text("packages", name, "src", file)
        ).join("")
        expect(errors).toContain("Schema.TaggedError")
        const elsewhere = sources
          .filter((file) => !isErrorModule(file, prefix))
          .filter((file) => /TaggedError<|extends Error\b/.test(text("packages", name, "src", file)))
        expect(elsewhere).toEqual([])
      })

      it("publishes sources, declarations and no internals", () => {
        const manifest: { exports: Record<string, unknown>; peerDependencies: Record<string, string> } = JSON.parse(
          text("packages", name, "package.json")
        )
        expect(manifest.exports["./internal/*"]).toBe(null)
        expect(Object.keys(manifest.peerDependencies)).toContain("effect")
      })
    })
  }
})

it("Effect's diagnostics bite: a floating effect and the global clock are errors", async () => {
  const { spawnSync } = await import("node:child_process")
  const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = await import("node:fs")
  const { effectTsc } = await import("../typecheck.mjs")
  mkdirSync(path.join(root, ".cache"), { recursive: true })
  const folder = mkdtempSync(path.join(root, ".cache", "canary-"))
  try {
    writeFileSync(
      path.join(folder, "canary.ts"),
      "import { Effect } from \"effect\"\nexport const canary = Effect.gen(function*() {\n  Effect.succeed(1)\n  return Date.now()\n})\n"
    )
    writeFileSync(
      path.join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: "../../tsconfig.base.json",
        compilerOptions: { noEmit: true, composite: false, incremental: false, declarationMap: false },
        include: ["*.ts"]
      })
    )
    const { stdout, status } = spawnSync(effectTsc(), ["-p", folder], { encoding: "utf8" })
    expect(status).not.toBe(0)
    expect(stdout).toContain("effect(floatingEffect)")
    expect(stdout).toContain("effect(globalDateInEffect)")
  } finally {
    rmSync(folder, { recursive: true })
  }
})
