/**
 * What the demo takes: `npm run bench -- demo [--check] [--json FILE] [--only ROW]`. Rows are measured at the built demo,
 * started as a person starts it, in a folder of their own; a wrong answer voids the row.
 */
import { writeFileSync } from "node:fs"
import os from "node:os"
import { parseArgs } from "node:util"
import { pageRows } from "./page.ts"
import { serverRows } from "./server.ts"

export interface Row {
  readonly id: string
  readonly unit: string
  /** At most this. */
  readonly target: number
  readonly measure: () => Promise<number>
}

const { values } = parseArgs({
  options: { check: { type: "boolean" }, json: { type: "string" }, only: { type: "string" } }
})

const attempt = async ({ id, measure, target, unit }: Row) => {
  try {
    const ours = Number((await measure()).toPrecision(4))
    return { id, unit, ours, peer: null, peerName: null, ratio: null, target, ok: ours <= target }
  } catch (cause) {
    return { id, unit, ours: null, peer: null, peerName: null, ratio: null, target, ok: false, void: String(cause) }
  }
}

const rows: Array<Awaited<ReturnType<typeof attempt>>> = []
console.log(`demo on ${os.cpus()[0]?.model}, ${os.cpus().length} cores, Node ${process.version}`)
console.log("row · unit · ours · target · ok")
for (const row of [...serverRows, ...pageRows]) {
  if (values.only !== undefined && !row.id.includes(values.only)) continue
  // One row after the other: they would disturb each other.
  // oxlint-disable-next-line no-await-in-loop
  const measured = await attempt(row)
  rows.push(measured)
  const { id, ok, ours, target, unit } = measured
  console.log(
    measured.void === undefined
      ? `${id} · ${unit} · ${ours} · ≤ ${target} · ${ok ? "yes" : "NO"}`
      : `${id} · void: ${measured.void}`
  )
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
process.exit(rows.length === 0 || (values.check === true && rows.some(({ ok }) => !ok)) ? 1 : 0)
