/** TypeScript examples in documents and doc comments, and the lines they promise to print. */
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { packages, root } from "./workspace.mjs"

const walk = (dir) =>
  readdirSync(path.join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(dir, entry.name)
    if (entry.isDirectory()) return ["node_modules", "dist", "results"].includes(entry.name) ? [] : walk(file)
    return [file]
  })

/** Every file that may hold an example. */
export const documents = () => [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  ...walk("docs").filter((file) => file.endsWith(".md")),
  ...packages.map((name) => `packages/${name}/README.md`),
  ...packages.flatMap((name) => walk(`packages/${name}/src`).filter((file) => file.endsWith(".ts")))
]

/** The fenced `ts` blocks of a document, with the line on which each begins. */
export const examplesOf = (file) => {
  const lines = readFileSync(path.join(root, file), "utf8").split("\n")
  const comment = file.endsWith(".ts")
  const examples = []
  let current
  lines.forEach((line, index) => {
    const text = comment ? line.replace(/^\s*\* ?/, "") : line
    if (current !== undefined) {
      if (text.trim() === "```") {
        examples.push({ file, line: current.line, code: current.code.join("\n") + "\n" })
        current = undefined
      } else current.code.push(text)
    } else if (text.trim() === "```ts") current = { line: index + 2, code: [] }
  })
  return examples
}

/** The blocks of a guide are one program, told in parts. */
export const isGuide = (file) => file.startsWith("docs/guides/")

/** The examples of a document: one for every block, or the one program of a guide. */
export const programsOf = (file) => {
  const blocks = examplesOf(file)
  return isGuide(file) && blocks.length > 0
    ? [{ file, line: blocks[0].line, code: blocks.map(({ code }) => code).join("") }]
    : blocks
}

/** What a program promises to print: the texts behind `// =>`, in order. */
export const promisedLines = (code) => [...code.matchAll(/\/\/ => (.*)$/gm)].map((match) => match[1].trim())
