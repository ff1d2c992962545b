/**
 * `npm run bench -- <package> [--check] [--json FILE] [--only ROW] [--rounds N]`
 * Ours and the peer take turns in the same run. The ratio is taken of two rounds that stand side by side, since what slows
 * the machine for a while slows both; a row is the median of these ratios. A wrong result voids the row.
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
if (name === "demo") {
  await ensureInstalled()
  await build()
  // Its rows have no peers: they are measured at the running demo.
  const script = path.join(root, "apps/demo/benchmark/main.ts")
  const { code } = await run(process.execPath, ["--import", "tsx", script, ...process.argv.slice(3)])
  process.exit(code)
}
if (!packages.includes(name)) {
  console.error(
    `usage: npm run bench -- <${packages.join("|")}|demo> [--check] [--json FILE] [--only ROW] [--rounds N]`
  )
  process.exit(2)
}
const folder = path.join(root, "packages", name, "benchmark")

if (process.env.SENNIT_BENCH_CHILD === undefined) {
  await ensureInstalled()
  await build({ projects: [`@sennit/${name}`] })
  if (!existsSync(path.join(folder, "node_modules"))) {
    console.log("Installing the peers ...")
    const { code, output } = await run("npm", ["ci", "--no-audit", "--no-fund"], {
      cwd: folder,
      quiet: true,
      // native peers are compiled here, not fetched from elsewhere; scripts that benchmark/package.json does not allow
      // are left out, where the root's strictness would refuse to install at all
      env: { npm_config_build_from_source: "true", npm_config_strict_allow_scripts: "false" }
    })
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

/** How long each side runs before it is measured. */
const warmUpMillis = 2000
/** A workload whose ratio is near its target may ask for more. */
const leastRounds = 5
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
const round = (number) => Number(number.toPrecision(4))

const measure = async (workload) => {
  const sides = await workload.open()
  const samples = { ours: [], peer: [] }
  try {
    for (const side of [sides.ours, sides.peer]) {
      const end = performance.now() + warmUpMillis
      do await side()
      while (performance.now() < end)
    }
    for (let i = 0; i < Math.max(workload.rounds ?? leastRounds, Number(values.rounds)); i++) {
      // Whoever goes first in one round goes second in the next.
      for (const side of i % 2 === 0 ? ["ours", "peer"] : ["peer", "ours"]) samples[side].push(await sides[side]())
    }
  } finally {
    await sides.close()
  }
  const of = (side, key) => round(median(samples[side].map((sample) => sample[key])))
  // CPU time per piece of work where the workload counts it, else per round
  const cpuOf = (side) =>
    samples[side].every(({ operations }) => operations > 0)
      ? round(median(samples[side].map(({ cpuMs, operations }) => cpuMs * 1000 / operations)))
      : undefined
  const ratio = round(median(samples.ours.map(({ value }, at) => value / samples.peer[at].value)))
  return {
    id: workload.id,
    unit: workload.unit,
    ours: of("ours", "value"),
    peer: of("peer", "value"),
    oursCpuMs: of("ours", "cpuMs"),
    peerCpuMs: of("peer", "cpuMs"),
    oursCpuMicros: cpuOf("ours"),
    peerCpuMicros: cpuOf("peer"),
    peerName: workload.peerName,
    ratio,
    target: workload.target,
    better: workload.better,
    ok: workload.better === "higher" ? ratio >= workload.target : ratio <= workload.target
  }
}

const resultMark = "result "
const show = (row) => {
  if (row.void !== undefined) return `${row.id} · void: ${row.void}`
  const bound = row.better === "higher" ? "≥" : "≤"
  const cpu = row.oursCpuMicros === undefined
    ? `${row.oursCpuMs}/${row.peerCpuMs} ms`
    : `${row.oursCpuMicros}/${row.peerCpuMicros} µs each`
  return `${row.id} · ${row.unit} · ${row.ours} · ${row.peer} (${row.peerName}) · ${row.ratio} · ${bound} ${row.target} · ${cpu} · ${
    row.ok ? "yes" : "NO"
  }`
}

const { default: workloads } = await import(path.join(folder, "main.ts"))
const wanted = workloads.filter(({ id }) => values.only === undefined || id.includes(values.only))

// A row in a process of its own: what one row taught the compiler must not be paid for by the next.
if (process.env.SENNIT_BENCH_CHILD !== "row") {
  const rows = []
  console.log(`${name} on ${os.cpus()[0].model}, ${os.cpus().length} cores, Node ${process.version}`)
  console.log("row · unit · ours · peer · ratio · target · CPU ours/peer · ok")
  for (const { id, peerName, target, unit } of wanted) {
    const { code, output } = await run(process.execPath, [
      "--import",
      "tsx",
      import.meta.filename,
      name,
      "--only",
      id,
      "--rounds",
      values.rounds
    ], { env: { SENNIT_BENCH_CHILD: "row", SENNIT_BENCH_ROW: id }, quiet: true })
    const line = output.split("\n").find((one) => one.startsWith(resultMark))
    const row = code === 0 && line !== undefined
      ? JSON.parse(line.slice(resultMark.length))
      : { id, unit, peerName, target, ok: false, void: output.trim() }
    rows.push(row)
    console.log(show(row))
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
  process.exit(rows.length === 0 || (values.check && rows.some((row) => !row.ok)) ? 1 : 0)
}

const row = await measure(wanted.find(({ id }) => id === process.env.SENNIT_BENCH_ROW))
console.log(resultMark + JSON.stringify(row))
process.exit(0)
