/**
 * `npm run pack:check [-- <package> ...]`: each package is packed, its tarball and its peers are installed in an empty
 * folder, and the first program of its README runs there. Takes minutes: SQLite is compiled for two of the five.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { examplesOf, promisedLines } from "./lib/examples.mjs"
import { build, ensureInstalled, packages, root, run } from "./lib/workspace.mjs"

const check = async (name) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), `sennit-pack-${name}-`))
  try {
    const packed = await run("npm", ["pack", "--silent", "--pack-destination", folder], {
      cwd: path.join(root, "packages", name),
      quiet: true
    })
    if (packed.code !== 0) return packed.output
    const tarball = packed.output.split("\n").find((line) => line.trim().endsWith(".tgz"))?.trim()
    const manifest = JSON.parse(readFileSync(path.join(root, "packages", name, "package.json"), "utf8"))
    const optional = Object.keys(manifest.peerDependenciesMeta ?? {})
    const peers = Object.entries(manifest.peerDependencies).filter(([peer]) => !optional.includes(peer))
    writeFileSync(
      path.join(folder, "package.json"),
      JSON.stringify({ private: true, type: "module", allowScripts: { "better-sqlite3": true } })
    )
    const wanted = [`./${tarball}`, ...peers.map(([peer, range]) => `${peer}@${range}`), "tsx@4.23.15"]
    const installed = await run("npm", ["install", "--no-audit", "--no-fund", ...wanted], { cwd: folder, quiet: true })
    if (installed.code !== 0) return installed.output
    const { code: program } = examplesOf(`packages/${name}/README.md`)[0]
    writeFileSync(path.join(folder, "first.ts"), program)
    const ran = await run(process.execPath, ["--import", "tsx", "first.ts"], { cwd: folder, quiet: true })
    if (ran.code !== 0) return ran.output
    const printed = ran.output.split("\n").map((line) => line.trim()).filter((line) => line !== "")
    const promised = promisedLines(program)
    return JSON.stringify(printed) === JSON.stringify(promised)
      ? undefined
      : `printed\n  ${printed.join("\n  ")}\nbut promises\n  ${promised.join("\n  ")}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await ensureInstalled()
await build()
const chosen = process.argv.slice(2)
let failed = 0
for (const name of packages.filter((candidate) => chosen.length === 0 || chosen.includes(candidate))) {
  const problem = await check(name)
  console.log(`${problem === undefined ? "ok  " : "FAIL"} @sennit/${name}`)
  if (problem !== undefined) {
    failed++
    console.log(problem)
  }
}
process.exit(failed > 0 ? 1 : 0)
