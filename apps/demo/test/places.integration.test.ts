/** The same scenarios, wherever conversations and files are kept: the configuration alone decides. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import path from "node:path"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { command, printed, runs, startDemo } from "./servers/demo.ts"
import { folderAlone, missingServers, type Place, servers } from "./servers/places.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")
const does = <A>(work: () => Promise<A>) => Effect.promise(work)

interface Answer {
  readonly session: string
  readonly answer: string
}

interface Report {
  readonly ok: boolean
  readonly findings: ReadonlyArray<{ readonly name: string; readonly ok: boolean; readonly advice: string }>
}

/** A question about a file, a memory, kill -9, and everything again: what was said is there, sealed; files are as they were. */
const keepsWhatWasSaid = ({ bytes, env }: Place) =>
  Effect.gen(function*() {
    const first = yield* startDemo(env)
    const there = { ...env, SENNIT_PORT: new URL(first.address).port }
    const asked = yield* printed<Answer>(there, "ask", "--attach", sales, "What is the total revenue in March?")
    yield* runs(there, "ask", "Remember that my boat is called Kestrel")
    yield* first.kill("SIGKILL")
    const second = yield* startDemo(env)
    const again = { ...env, SENNIT_PORT: new URL(second.address).port }
    const more = yield* printed<Answer>(
      again,
      "ask",
      "--session",
      asked.session,
      "What is the average revenue in March?"
    )
    assert.match(more.answer, /average/i)
    assert.include((yield* printed<Answer>(again, "ask", "What is my boat called?")).answer, "Kestrel")
    const stored = yield* bytes
    assert.isTrue(stored.files.equals(yield* does(() => readFile(sales))))
    assert.isAbove(stored.sessions.length, 0)
    for (const word of ["Kestrel", "total revenue"]) assert.isFalse(stored.sessions.includes(word), word)
    const report = JSON.parse((yield* command(["doctor", "--json"], again)).stdout) as Report
    assert.deepStrictEqual(report.findings.filter(({ ok }) => !ok), [])
    yield* second.kill("SIGTERM")
    return asked.session
  })

/** The page reads the conversation, shows its sealed bytes, changes the key, and erases all of it. */
const isSeenAndErased = ({ bytes, env }: Place, session: string) =>
  Effect.gen(function*() {
    const { address } = yield* startDemo(env)
    const { complaints, page } = yield* openPage(`${address}/c/${session}`)
    yield* does(() => page.getByText("sales.csv").first().waitFor())
    yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
    const dialog = page.getByRole("complementary", { name: "Inspector" })
    yield* does(() => dialog.getByRole("link", { name: "Sessions" }).click())
    const cipher = (yield* does(() => dialog.locator(".cipher").first().innerText())).replaceAll(/\s/g, "")
    assert.match(cipher, /^([0-9a-f]{2}){64,}$/)
    const before = yield* does(() => dialog.locator(".keys code").first().innerText())
    yield* does(() => dialog.getByRole("button", { name: "Rotate now" }).click())
    yield* does(() => dialog.locator(".keys").getByText(before).waitFor({ state: "detached" }))
    page.on("dialog", (question) => void question.accept())
    yield* does(() => dialog.getByRole("button", { name: "Erase my data" }).click())
    yield* does(() => dialog.getByText("Erased 3 conversations, 1 memories, 1 files; key destroyed.").waitFor())
    assert.strictEqual((yield* bytes).files.length, 0)
    assert.deepStrictEqual(complaints, [])
  })

const scenarios = (place: Place) =>
  Effect.gen(function*() {
    const session = yield* keepsWhatWasSaid(place)
    if (missingBrowser === undefined) yield* isSeenAndErased(place, session)
  })

describe("what was said and attached is kept, found again after kill -9, shown, resealed and erased", () => {
  it.scopedLive("in the data folder alone", () => Effect.flatMap(folderAlone, scenarios))

  it.scopedLive.skipIf(missingServers !== undefined)(
    `in PostgreSQL and a bucket of Ceph${missingServers ?? ""}`,
    () => Effect.flatMap(servers, scenarios)
  )
})

describe("servers that the configuration names", () => {
  it.scopedLive("and that do not answer are named by start and doctor, with what to do", () =>
    Effect.gen(function*() {
      const { env } = yield* folderAlone
      const database = { ...env, SENNIT_DATABASE_URL: "postgres://nobody@127.0.0.1:9/none" }
      const bucket = { ...env, STORE_S3_ENDPOINT: "http://127.0.0.1:9" }
      for (
        const [there, name, variable] of [
          [database, "database", "SENNIT_DATABASE_URL"],
          [bucket, "bucket", "STORE_S3_BUCKET"]
        ] as const
      ) {
        const report = JSON.parse((yield* command(["doctor", "--json"], there)).stdout) as Report
        const broken = report.findings.filter(({ ok }) => !ok)
        assert.include(broken.map((one) => one.name), name)
        assert.include(JSON.stringify(broken), variable)
      }
      const refused = yield* command(["serve"], database)
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "PostgreSQL")
      const incomplete = yield* command(["serve"], bucket)
      assert.strictEqual(incomplete.code, 1)
      assert.include(incomplete.stderr, "STORE_S3_BUCKET")
    }))
})
