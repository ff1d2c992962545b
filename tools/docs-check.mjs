/** `npm run docs:check`: every example type-checks, every program runs and prints what it says, every link leads somewhere. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { documents, examplesOf, isGuide, programsOf, promisedLines } from "./lib/examples.mjs"
import { bin, packages, root, run } from "./lib/workspace.mjs"

const work = path.join(root, ".cache", "docs")
const problems = []

const nameOf = ({ file, line }) => `${file.replaceAll(/[/.]/g, "_")}_${line}.ts`

const typeCheck = async () => {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  const examples = documents().flatMap(programsOf)
  const names = new Map()
  for (const example of examples) {
    const name = nameOf(example)
    names.set(name, `${example.file}:${example.line}`)
    writeFileSync(path.join(work, name), `${example.code}export {}\n`)
  }
  const compilerOptions = {
    noEmit: true,
    composite: false,
    incremental: false,
    declarationMap: false,
    sourceMap: false,
    noUnusedLocals: false,
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: true,
    plugins: []
  }
  writeFileSync(
    path.join(work, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.base.json",
      compilerOptions,
      include: ["*.ts", "../../packages/*/src/**/*.d.ts"]
    })
  )
  const { code, output } = await bin("tsc", ["-p", path.join(work, "tsconfig.json")], { quiet: true })
  if (code !== 0) {
    problems.push(
      output.replaceAll(/[\w./-]*?([\w-]+\.ts)\((\d+),/g, (all, file, line) => `${names.get(file) ?? file} +${line} (`)
    )
  }
  console.log(`${examples.length} examples type-checked`)
}

const runPrograms = async () => {
  const programs = packages.flatMap((name) => {
    const readme = examplesOf(`packages/${name}/README.md`)[0]
    const folder = `packages/${name}/examples`
    const files = existsSync(path.join(root, folder))
      ? readdirSync(path.join(root, folder)).filter((file) => file.endsWith(".ts"))
      : []
    const first = files.find((file) => file.startsWith("01-"))
    if (readme === undefined || first === undefined) {
      problems.push(`${name}: no first program in README.md or examples/01-*.ts`)
    } else if (readFileSync(path.join(root, folder, first), "utf8").trim() !== readme.code.trim()) {
      problems.push(`${name}: README's first program and examples/${first} differ`)
    }
    return files.map((file) => `${folder}/${file}`)
  })
  for (const file of documents().filter(isGuide)) {
    for (const program of programsOf(file)) programs.push(path.relative(root, path.join(work, nameOf(program))))
  }
  for (const file of programs) {
    const promised = promisedLines(readFileSync(path.join(root, file), "utf8"))
    const { code, output } = await run(process.execPath, ["--import", "tsx", "-C", "@sennit/source", file], {
      quiet: true
    })
    const printed = output.split("\n").map((line) => line.trim()).filter((line) => line !== "")
    if (code !== 0) problems.push(`${file} exits with ${code}:\n${output}`)
    else if (JSON.stringify(printed) !== JSON.stringify(promised)) {
      problems.push(`${file} prints\n  ${printed.join("\n  ")}\nbut promises\n  ${promised.join("\n  ")}`)
    }
  }
  console.log(`${programs.length} programs run`)
}

const checkLinks = () => {
  let links = 0
  for (const file of documents().filter((name) => name.endsWith(".md"))) {
    for (
      const [, target] of readFileSync(path.join(root, file), "utf8").matchAll(
        /\]\(((?!https?:|mailto:|#)[^)\s#]+)(?:#[^)]*)?\)/g
      )
    ) {
      links++
      if (!existsSync(path.join(root, path.dirname(file), target))) {
        problems.push(`${file}: link to ${target} leads nowhere`)
      }
    }
  }
  console.log(`${links} links followed`)
}

await typeCheck()
await runPrograms()
checkLinks()
if (problems.length > 0) {
  console.error(problems.join("\n\n"))
  process.exit(1)
}
