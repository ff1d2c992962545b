/** Type check of everything with Effect's diagnostics: `node tools/typecheck.mjs [project ...]`. */
import { spawnSync } from "node:child_process"
import { createRequire } from "node:module"
import path from "node:path"

const require = createRequire(import.meta.url)
const { version } = require("typescript/package.json")

/** The compiler that @effect/tsgo ships for exactly our TypeScript; used in place, node_modules stays unpatched. */
export const effectTsc = () => {
  const root = path.dirname(require.resolve(`@effect/tsgo-${process.platform}-${process.arch}/package.json`))
  return path.join(root, "artifacts", "typescript", version, process.platform === "win32" ? "tsc.exe" : "tsc")
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const projects = process.argv.slice(2)
  const { status } = spawnSync(effectTsc(), ["-b", ...(projects.length > 0 ? projects : ["tsconfig.json"])], {
    stdio: "inherit"
  })
  process.exit(status ?? 1)
}
