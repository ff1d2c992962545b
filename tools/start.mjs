/** `npm start`: install what is missing, build what changed, serve the demo. */
import { spawn } from "node:child_process"
import path from "node:path"
import { build, ensureInstalled, root } from "./lib/workspace.mjs"

await ensureInstalled()
await build()

const server = spawn(
  process.execPath,
  [path.join(root, "apps/demo/dist/sennit.js"), "serve", ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit"
  }
)
// The server gets Ctrl-C from the terminal itself; a signal sent to this process alone is passed on.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.kill(signal))
server.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)))
