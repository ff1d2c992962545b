/** Data folders without room, or that cannot be written, and files that arrive by half: each says what happened and what to do. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { open, readdir, readFile, rm, stat } from "node:fs/promises"
import path from "node:path"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { command, runs, startDemo, temporaryFolder } from "./servers/demo.ts"
import { fullDisk, missingMounts, readOnly, seenBy, smallDisk } from "./servers/mounts.ts"
import { does, finished, live, send } from "./servers/reader.ts"
import { wire } from "./servers/wire.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")
const skipped = `${missingMounts ?? ""}${missingBrowser ?? ""}`

/** Writes until there is no room; gives how to make room again. */
const fill = (folder: string) =>
  does(async () => {
    const file = path.join(folder, "fill")
    const handle = await open(file, "w")
    for (const size of [1 << 20, 1 << 12, 1]) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        while (true) if ((await handle.write(Buffer.alloc(size))).bytesWritten < size) break
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") throw cause
      }
    }
    await handle.close()
    return does(() => rm(file))
  })

const hashes = (folder: string) =>
  does(async () => {
    const names = (await readdir(folder, { recursive: true })).toSorted()
    const entries = await Promise.all(names.map(async (name) => {
      const file = path.join(folder, name)
      if (!(await stat(file)).isFile()) return [name, ""] as const
      return [name, createHash("sha256").update(await readFile(file)).digest("hex")] as const
    }))
    return Object.fromEntries(entries)
  })

describe.skipIf(skipped !== "")(`a full disk${skipped}`, () => {
  it.scopedLive("refuses a question and a file in words, keeps what was typed and said before, and takes them when there is room", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const demo = yield* startDemo({ SENNIT_DATA: data }, smallDisk(data, 8))
      const { page } = yield* openPage(demo.address)
      yield* live(page)
      yield* send(page, "What is 6*7?")
      yield* finished(page, 1)
      const makeRoom = yield* fill(seenBy(demo.pid, data))
      const alert = page.getByRole("alert")
      const words =
        "The disk is full. This was not stored; what was stored before is safe. Free space, then send it again."
      yield* send(page, "What is 6*8?")
      yield* does(() => alert.getByText(words).waitFor())
      assert.strictEqual(yield* does(() => page.getByLabel("Your message").inputValue()), "What is 6*8?")
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* does(() => page.locator(".chosen li").waitFor({ state: "detached" }))
      yield* does(() => alert.getByText(words).waitFor())
      assert.strictEqual(yield* does(() => page.locator(".chosen li").count()), 0)
      // What was there is there.
      yield* does(() => page.reload())
      yield* does(() => page.locator(".answer").getByText("42").first().waitFor())
      assert.strictEqual(yield* does(() => page.getByLabel("Your message").inputValue()), "What is 6*8?")
      const files = yield* does(() => readdir(path.join(seenBy(demo.pid, data), "files"), { recursive: true }))
      assert.deepStrictEqual(files.filter((name) => name.includes("sales")), [])

      yield* makeRoom
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* does(() => page.locator(".chosen").getByText("sales.csv").waitFor())
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      yield* finished(page, 2)
      yield* does(() => page.locator(".answer").getByText("48").first().waitFor())
    }))

  it.scopedLive("from the start: says so, and leaves nothing half made", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { code, stderr } = yield* command(["serve"], { SENNIT_DATA: data }, undefined, fullDisk(data))
      assert.strictEqual(code, 1)
      assert.include(stderr, data)
      assert.match(stderr, /no space|disk is full/i)
    }))
})

describe.skipIf(missingMounts !== undefined)(`a data folder that cannot be written${missingMounts ?? ""}`, () => {
  it.scopedLive("refuses to start, names the folder and what to do, and is as it was", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const env = { SENNIT_DATA: data }
      yield* runs(env, "ask", "Remember that my boat is called Kestrel")
      const before = yield* hashes(data)
      for (const args of [["serve"], ["ask", "What is my boat called?"]]) {
        const { code, stderr } = yield* command(args, env, undefined, readOnly(data))
        assert.strictEqual(code, 1)
        assert.include(stderr, `The data folder ${data} cannot be used: it cannot be written.`)
        assert.include(stderr, "Nothing was changed. Set SENNIT_DATA to a folder that you may write.")
      }
      const doctor = yield* command(["doctor"], env, undefined, readOnly(data))
      assert.strictEqual(doctor.code, 1)
      assert.include(doctor.stdout, "it cannot be written")
      // A first start as well.
      const empty = yield* temporaryFolder
      const first = yield* command(["serve"], { SENNIT_DATA: path.join(empty, "new") }, undefined, readOnly(empty))
      assert.strictEqual(first.code, 1)
      assert.include(first.stderr, `The data folder ${path.join(empty, "new")} cannot be used`)
      assert.deepStrictEqual(yield* hashes(data), before)
      assert.include(yield* runs(env, "ask", "What is my boat called?"), "Kestrel")
    }))
})

describe.skipIf(missingBrowser !== undefined)(`a file whose upload is cut off${missingBrowser ?? ""}`, () => {
  it.scopedLive("is not there, the page says so, and it can be attached again", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const demo = yield* startDemo({ SENNIT_DATA: data })
      const { address, down } = yield* wire(Number(new URL(demo.address).port))
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* does(() => page.getByLabel("Your message").fill("half a thought"))
      // Large enough not to be gone in one piece.
      const large = { name: "large.csv", mimeType: "text/csv", buffer: Buffer.alloc(40_000_000, "a,b\n") }
      const begun = page.waitForRequest("**/files/large.csv")
      yield* does(() => page.locator("input[type=file]").setInputFiles(large))
      yield* does(() => begun)
      down(true)
      yield* does(() => page.getByRole("alert").getByText("large.csv: The upload was cut off.").waitFor())
      assert.match(
        yield* does(() => page.getByRole("alert").innerText()),
        /Attach it again\. Nothing was stored\./
      )
      down(false)
      assert.strictEqual(yield* does(() => page.locator(".chosen li").count()), 0)
      assert.strictEqual(yield* does(() => page.getByLabel("Your message").inputValue()), "half a thought")
      const id = new URL(page.url()).pathname.split("/").at(-1)
      const { files } = yield* does(async () => (await fetch(`${demo.address}/api/conversations/${id}`)).json())
      assert.deepStrictEqual(files, [])
      yield* live(page)
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* does(() => page.locator(".chosen").getByText("sales.csv").waitFor())
      yield* does(() => page.locator(".chosen progress").waitFor({ state: "detached" }))
    }))
})
