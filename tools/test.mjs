/**
 * `npm test`: everything, and last the line `N passed, N failed, N skipped`.
 * `npm run check` (`--fast`): what needs no build and no server.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import path from "node:path"
import { bin, build, ensureInstalled, root, run } from "./lib/workspace.mjs"

const fast = process.argv.includes("--fast")
const node = (script, ...args) => run(process.execPath, [path.join(root, "tools", script), ...args], { quiet: true })
const counts = { passed: 0, failed: 0, skipped: 0 }

const step = async (name, work) => {
  const begun = performance.now()
  const { code, output } = await work()
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  counts[code === 0 ? "passed" : "failed"]++
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`)
  if (code !== 0) console.log(output)
  return code === 0
}

/** How many cases of the store's contract ran on each backend; where servers are required, none is a failure. */
const countConformance = (tests) => {
  const ran = new Map()
  for (const { ancestorTitles, status, title } of tests) {
    const [, backend] = [...ancestorTitles, title].map((one) => /^the contract on ([^:,(]+)/.exec(one)).find(Boolean) ??
      []
    if (backend === undefined) continue
    const name = backend.trim()
    ran.set(name, (ran.get(name) ?? 0) + (status === "passed" || status === "failed" ? 1 : 0))
  }
  for (const [backend, cases] of ran) {
    const isMissing = cases === 0 && process.env.SENNIT_REQUIRE_SERVERS === "1"
    if (isMissing) counts.failed++
    console.log(`${isMissing ? "FAIL" : "ok  "} the contract on ${backend}: ${cases} cases ran`)
  }
}

/** One run for all projects, so that two cores are shared once. */
const vitest = async () => {
  const report = path.join(root, ".cache", "vitest.json")
  mkdirSync(path.dirname(report), { recursive: true })
  rmSync(report, { force: true })
  const { code } = await bin("vitest", ["run", "--reporter=dot", "--reporter=json", `--outputFile.json=${report}`])
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites, testResults } = JSON
    .parse(
      readFileSync(report, "utf8")
    )
  counts.passed += numPassedTests
  counts.failed += numFailedTests
  counts.skipped += numPendingTests + numTodoTests
  // A file that does not load, or an error outside any test, fails the run without a failed test.
  if (code !== 0 && numFailedTests === 0) counts.failed += Math.max(1, numFailedTestSuites)
  const tests = testResults.flatMap((file) => file.assertionResults)
  for (const { fullName, status } of tests) if (status === "pending") console.log(`skipped: ${fullName}`)
  countConformance(tests)
}

await ensureInstalled()
await step("format", () => bin("dprint", ["check"], { quiet: true }))
await step("lint and package boundaries", () => bin("oxlint", ["."], { quiet: true }))
await step("types, with Effect's diagnostics", () => node("typecheck.mjs"))
await step("types, plain compiler", () => bin("tsc", ["-b", "tsconfig.json"], { quiet: true }))
await step("unused files, exports and dependencies", () => bin("knip", ["--no-progress"], { quiet: true }))
await step("one version of each dependency", () => bin("sherif", ["--fail-on-warnings"], { quiet: true }))
if (!fast) {
  await build()
  await step("public declarations", () => node("api-report.mjs", "--check"))
  await step("documents and their examples", () => node("docs-check.mjs"))
  await vitest()
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exit(counts.failed > 0 ? 1 : 0)
