// @effect-diagnostics nodeBuiltinImport:off - other processes are started here
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("programs/drawNonces.ts", import.meta.url))
const root = fileURLToPath(new URL("../../..", import.meta.url))

const drawNonces = (count: number) =>
  Effect.async<Buffer>((resume) => {
    const child = spawn(process.execPath, ["--import", "tsx", "-C", "@sennit/source", program, String(count)], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"]
    })
    const chunks: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
    child.on("close", () => resume(Effect.succeed(Buffer.concat(chunks))))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("nonces", () => {
  it.live(
    "a million of them, drawn by five processes side by side and after each other, are all different",
    () =>
      Effect.gen(function*() {
        const drawn = yield* Effect.forEach(Array.from({ length: 5 }), () => drawNonces(200_000), { concurrency: 2 })
        const bytes = Buffer.concat(drawn)
        expect(bytes.length).toBe(12_000_000)
        // The first 8 bytes of random nonces differ as well, but for a chance of one in 30 million.
        const heads = BigUint64Array.from({ length: 1_000_000 }, (_, at) => bytes.readBigUInt64LE(at * 12)).toSorted()
        expect(heads.findIndex((head, at) => head === heads[at + 1])).toBe(-1)
      }),
    300_000
  )
})
