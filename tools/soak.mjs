/**
 * `npm run soak -- <package> [--minutes N] [--quick] [--only CHECK]`
 * Long checks of reliability against the built package. Each prints its figures and `ok` or `NO`.
 */
import { existsSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { build, ensureInstalled, packages, root, run } from "./lib/workspace.mjs"

const { positionals: [name], values } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "10" },
    quick: { type: "boolean", default: false },
    only: { type: "string" }
  }
})
const file = path.join(root, "packages", name ?? "", "soak", "main.ts")
const minutes = Number(values.minutes)
if (!packages.includes(name) || !existsSync(file) || !(minutes > 0)) {
  const having = packages.filter((one) => existsSync(path.join(root, "packages", one, "soak", "main.ts")))
  console.error(`usage: npm run soak -- <${having.join("|")}> [--minutes N] [--quick] [--only CHECK]`)
  process.exit(2)
}

if (process.env.SENNIT_SOAK_CHILD === undefined) {
  await ensureInstalled()
  await build({ projects: [`@sennit/${name}`] })
  // a second process, in which tsx reads the checks' TypeScript and which can collect its garbage when it measures
  const { code } = await run(
    process.execPath,
    ["--expose-gc", "--import", "tsx", import.meta.filename, ...process.argv.slice(2)],
    { env: { SENNIT_SOAK_CHILD: "1" } }
  )
  process.exit(code)
}

const { default: checks } = await import(file)
const chosen = checks.filter(({ id }) => values.only === undefined || id.includes(values.only))
const failed = []
console.log(`${name} on Node ${process.version}${values.quick ? ", quick" : ""}`)
for (const check of chosen) {
  const start = performance.now()
  let result
  try {
    result = await check.run({ minutes, quick: values.quick })
  } catch (error) {
    result = { ok: false, figures: [error instanceof Error ? error.stack : String(error)] }
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${check.id} · ${result.figures.join(" · ")} · ${seconds} s · ${result.ok ? "ok" : "NO"}`)
  if (!result.ok) failed.push(check.id)
}
process.exit(chosen.length === 0 || failed.length > 0 ? 1 : 0)
