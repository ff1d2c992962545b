/** `npm run ask -- "question"`: the same road as the page, from a terminal. Notices go to stderr, the answer to stdout. */
import { spawn } from "node:child_process"
import path from "node:path"
import { build, ensureInstalled, root } from "./lib/workspace.mjs"

await ensureInstalled({ say: console.error })
await build({ say: () => {} })

const ask = spawn(process.execPath, [path.join(root, "apps/demo/dist/sennit.js"), "ask", ...process.argv.slice(2)], {
  cwd: process.env.INIT_CWD ?? process.cwd(),
  stdio: "inherit"
})
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => ask.kill(signal))
ask.on("exit", (code) => process.exit(code ?? 130))
