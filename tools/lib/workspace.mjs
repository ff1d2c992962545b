/** What every command of the workspace shares: where it is, how it installs itself, how it runs a step. */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..")
export const packages = ["store", "http-client", "secure-sessions", "memory-vault", "agent"]

const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Sennit needs Node 20.19 or newer; this is ${process.version}.`)
  process.exit(1)
}

const npm = process.platform === "win32" ? "npm.cmd" : "npm"

/** Runs a command; resolves to its exit code and, when `quiet`, its output. */
export const run = (command, args, { cwd = root, env = {}, quiet = false, signal } = {}) =>
  new Promise((resolve) => {
    let output = ""
    const child = spawn(command, args, {
      cwd,
      signal,
      env: { ...process.env, ...env },
      stdio: quiet ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"],
      shell: process.platform === "win32"
    })
    child.stdout?.on("data", (data) => output += data)
    child.stderr?.on("data", (data) => output += data)
    child.on("error", (error) => resolve({ code: 1, output: output + String(error) }))
    child.on("close", (code) => resolve({ code: code ?? 1, output }))
  })

/** Runs a tool from node_modules/.bin. */
export const bin = (name, args, options) => run(path.join(root, "node_modules", ".bin", name), args, options)

/** Installs the lock file's packages unless they are there already, for exactly this Node. */
export const ensureInstalled = async ({ say = console.log } = {}) => {
  const stamp = path.join(root, "node_modules", ".sennit-installed")
  const lock = readFileSync(path.join(root, "package-lock.json"))
  const wanted = createHash("sha256").update(lock).update(process.versions.modules).update(process.platform).digest(
    "hex"
  )
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return
  say("Installing packages (once; SQLite is compiled, which takes about a minute) ...")
  const { code, output } = await run(npm, ["ci", "--no-audit", "--no-fund"], { quiet: true })
  if (code !== 0) {
    console.error(output)
    console.error("npm ci failed; nothing was started.")
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}

/** Builds every package and the demo; what has not changed comes from the cache. */
export const build = async ({ say = console.log, projects = [] } = {}) => {
  const only = projects.length > 0 ? ["-p", projects.join(",")] : []
  say("Building ...")
  const { code, output } = await bin("nx", ["run-many", "-t", "build", "--output-style=stream", ...only], {
    quiet: true,
    env: { NX_DAEMON: "false", NX_TUI: "false" }
  })
  if (code !== 0) {
    console.error(output)
    console.error("The build failed.")
    process.exit(1)
  }
}
