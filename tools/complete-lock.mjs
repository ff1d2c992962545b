/**
 * `npm run lock:complete`: a registry that mirrors binaries of one platform only leaves the others out of the lock,
 * and `npm ci` then refuses it elsewhere. This adds each missing optional package by name, version and platform.
 */
import { readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { packages, root } from "./lib/workspace.mjs"

const systems = ["android", "darwin", "freebsd", "openbsd", "netbsd", "openharmony", "win32", "linux", "sunos", "aix"]
const processors = [
  ["arm64", "arm64"],
  ["aarch64", "arm64"],
  ["riscv64", "riscv64"],
  ["loong64", "loong64"],
  ["ppc64", "ppc64"],
  ["s390x", "s390x"],
  ["mips64el", "mips64el"],
  ["ia32", "ia32"],
  ["x64", "x64"],
  ["arm", "arm"]
]

const platformOf = (name) => {
  const system = systems.find((candidate) => name.includes(candidate))
  const processor = processors.find(([part]) => name.includes(part))
  const libc = name.includes("musl") ? "musl" : system === "linux" && /gnu|glibc/.test(name) ? "glibc" : undefined
  return {
    ...(system ? { os: [system] } : {}),
    ...(processor ? { cpu: [processor[1]] } : {}),
    ...(libc ? { libc: [libc] } : {})
  }
}

/** Node's own resolution: the nearest node_modules above the package that wants it. */
const resolves = (entries, from, name) => {
  for (let dir = from;; dir = dir.slice(0, Math.max(0, dir.lastIndexOf("/node_modules/")))) {
    if (entries[`${dir === "" ? "" : `${dir}/`}node_modules/${name}`] !== undefined) return true
    if (dir === "" || !dir.includes("/node_modules/")) return entries[`node_modules/${name}`] !== undefined
  }
}

export const completeLock = (lock) => {
  const entries = { ...lock.packages }
  for (const [from, entry] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      if (resolves(entries, from, name)) continue
      entries[`node_modules/${name}`] = {
        version: range.replace(/^[\^~]/, ""),
        ...platformOf(name.toLowerCase()),
        ...(entry.dev ? { dev: true } : {}),
        optional: true
      }
    }
  }
  return { ...lock, packages: Object.fromEntries(Object.entries(entries).toSorted(([a], [b]) => (a < b ? -1 : 1))) }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const folders = [".", "packages/store/test/servers", ...packages.map((name) => `packages/${name}/benchmark`)]
  for (const file of folders.map((folder) => path.join(root, folder, "package-lock.json"))) {
    const lock = JSON.parse(readFileSync(file, "utf8"))
    const complete = completeLock(lock)
    writeFileSync(file, `${JSON.stringify(complete, null, 2)}\n`)
    const added = Object.keys(complete.packages).length - Object.keys(lock.packages).length
    console.log(`${path.relative(root, file)}: ${added} optional packages added`)
  }
}
