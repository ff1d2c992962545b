/** Runs 1,000 conversations at once in a process that does nothing else, and tells what memory they take. */
import { measureMemory } from "./main.ts"

const [url = ""] = process.argv.slice(2)

process.send?.(await measureMemory(url))
process.exit(0)
