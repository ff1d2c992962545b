/**
 * `npm run bench -- <package> [--check] [--json FILE] [--only ROW] [--rounds N]`
 * Ours and the peer take turns in the same run; a row is the ratio of medians. A wrong result voids the row.
 */
import { existsSync, writeFileSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { parseArgs } from "node:util"
import { build, ensureInstalled, packages, root, run } from "./lib/workspace.mjs"

const { positionals: [name], values } = parseArgs({
  allowPositionals: true,
  options: {
    check: { type: "boolean" },
    json: { type: "string" },
    only: { type: "string" },
    rounds: { type: "string", default: "5" }
  }
})
if (!packages.includes(name)) {
  console.error(`usage: npm run bench -- <${packages.join("|")}> [--check] [--json FILE] [--only ROW] [--rounds N]`)
  process.exit(2)
}
const folder = path.join(root, "packages", name, "benchmark")

if (process.env.SENNIT_BENCH_CHILD === undefined) {
  await ensureInstalled()
  await build({ projects: [`@sennit/${name}`] })
  if (!existsSync(path.join(folder, "node_modules"))) {
    console.log("Installing the peers ...")
    const { code, output } = await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, quiet: true })
    if (code !== 0) {
      console.error(output)
      process.exit(1)
    }
  }
  // A second process, in which tsx reads the workloads' TypeScript. The collector is left alone: asked to run before a
  // round it drops compiled code as well, and the round then measures the compiler.
  const { code } = await run(process.execPath, [
    "--import",
    "tsx",
    import.meta.filename,
    ...process.argv.slice(2)
  ], {
    env: { SENNIT_BENCH_CHILD: "1" }
  })
  process.exit(code)
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
const round = (number) => Number(number.toPrecision(4))

const measure = async (workload) => {
  const sides = await workload.open()
  const samples = { ours: [], peer: [] }
  try {
    await sides.ours()
    await sides.peer()
    for (let i = 0; i < Math.max(5, Number(values.rounds)); i++) {
      // Whoever goes first in one round goes second in the next.
      for (const side of i % 2 === 0 ? ["ours", "peer"] : ["peer", "ours"]) samples[side].push(await sides[side]())
    }
  } finally {
    await sides.close()
  }
  const of = (side, key) => round(median(samples[side].map((sample) => sample[key])))
  const ratio = round(of("ours", "value") / of("peer", "value"))
  return {
    id: workload.id,
    unit: workload.unit,
    ours: of("ours", "value"),
    peer: of("peer", "value"),
    oursCpuMs: of("ours", "cpuMs"),
    peerCpuMs: of("peer", "cpuMs"),
    peerName: workload.peerName,
    ratio,
    target: workload.target,
    better: workload.better,
    ok: workload.better === "higher" ? ratio >= workload.target : ratio <= workload.target
  }
}

const { default: workloads } = await import(path.join(folder, "main.ts"))
const rows = []
console.log(`${name} on ${os.cpus()[0].model}, ${os.cpus().length} cores, Node ${process.version}`)
console.log("row · unit · ours · peer · ratio · target · CPU ms ours/peer · ok")
for (const workload of workloads.filter(({ id }) => values.only === undefined || id.includes(values.only))) {
  try {
    const row = await measure(workload)
    rows.push(row)
    const bound = row.better === "higher" ? "≥" : "≤"
    console.log(
      `${row.id} · ${row.unit} · ${row.ours} · ${row.peer} (${row.peerName}) · ${row.ratio} · ${bound} ${row.target} · ${row.oursCpuMs}/${row.peerCpuMs} · ${
        row.ok ? "yes" : "NO"
      }`
    )
  } catch (error) {
    rows.push({
      id: workload.id,
      unit: workload.unit,
      peerName: workload.peerName,
      target: workload.target,
      ok: false,
      void: String(error)
    })
    console.log(`${workload.id} · void: ${error}`)
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
process.exit(rows.length === 0 || (values.check && rows.some((row) => !row.ok)) ? 1 : 0)
