/** Several people at one server: each signs in, and sees what is theirs alone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import path from "node:path"
import type { Page } from "playwright-core"
import { audit } from "./servers/axe.ts"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { everyByte, startDemo, temporaryFolder } from "./servers/demo.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")
const does = <A>(work: () => Promise<A>) => Effect.promise(work)

/** A person at the API: a cookie, and what a browser sends with it. */
const client = (address: string) => {
  let cookie = ""
  const ask = (method: string, where: string, body?: unknown, headers: Record<string, string> = {}) =>
    does(() =>
      fetch(`${address}${where}`, {
        method,
        headers: {
          origin: address,
          cookie,
          ...body === undefined ? {} : { "content-type": "application/json" },
          ...headers
        },
        ...body === undefined ? {} : { body: JSON.stringify(body) }
      })
    )
  const enter = (where: string, name: string, password: string) =>
    Effect.map(ask("POST", where, { name, password }), (response) => {
      cookie = (response.headers.get("set-cookie") ?? "").split(";")[0] ?? ""
      return response
    })
  return {
    ask,
    json: <A>(method: string, where: string, body?: unknown) =>
      Effect.flatMap(ask(method, where, body), (response) => does(async (): Promise<A> => response.json())),
    signUp: (name: string, password: string) => enter("/api/account", name, password),
    signIn: (name: string, password: string) => enter("/api/account/sign-in", name, password)
  }
}

interface Thing {
  readonly id: string
}

const accounts = Effect.gen(function*() {
  const data = yield* temporaryFolder
  const demo = yield* startDemo({ SENNIT_DATA: data, SENNIT_ACCOUNTS: "true" })
  return { data, ...demo }
})

describe("people", () => {
  it.scopedLive("never see each other's conversations, files, memories and runs; foreign and unknown ids answer alike", () =>
    Effect.gen(function*() {
      const { address } = yield* accounts
      const ada = client(address)
      const bob = client(address)
      yield* ada.signUp("ada", "correct horse")
      yield* bob.signUp("bob", "battery staple")
      const { id } = yield* ada.json<Thing>("POST", "/api/conversations")
      yield* ada.ask("PUT", `/api/conversations/${id}/files/mine.csv`, "a")
      const asked = yield* ada.ask("POST", `/api/conversations/${id}/runs`, {
        question: "Remember that my boat is called Kestrel",
        attachments: []
      })
      assert.strictEqual(asked.status, 200)
      const memories = yield* Effect.repeat(ada.json<ReadonlyArray<Thing>>("GET", "/api/memories"), {
        until: (found) => found.length > 0
      })
      const unknown = "00000000-0000-4000-8000-000000000000"
      for (
        const [method, where, body] of [
          ["GET", "/api/conversations/:id", undefined],
          ["DELETE", "/api/conversations/:id", undefined],
          ["POST", "/api/conversations/:id/runs", { question: "And?", attachments: [] }],
          ["DELETE", "/api/conversations/:id/runs", undefined],
          ["GET", "/api/conversations/:id/stored", undefined],
          ["GET", "/api/conversations/:id/preview?name=mine.csv", undefined],
          ["GET", "/api/conversations/:id/files/mine.csv", undefined],
          ["PUT", "/api/conversations/:id/files/new.csv", "a"]
        ] as const
      ) {
        const answers = yield* Effect.forEach(
          [id, unknown],
          (one) =>
            Effect.flatMap(
              bob.ask(method, where.replace(":id", one), body),
              (response) =>
                does(async () => ({ status: response.status, text: (await response.text()).replaceAll(one, ":id") }))
            )
        )
        assert.deepStrictEqual(answers[0], answers[1], where)
        assert.strictEqual(answers[0]?.status, 404, where)
      }
      assert.deepStrictEqual(yield* bob.json("GET", "/api/conversations"), [])
      assert.deepStrictEqual(yield* bob.json("GET", "/api/memories"), [])
      yield* bob.ask("DELETE", `/api/memories/${memories[0]?.id}`)
      assert.strictEqual((yield* ada.json<ReadonlyArray<Thing>>("GET", "/api/memories")).length, 1)
      const exported = yield* Effect.flatMap(bob.ask("GET", "/api/export"), (response) => does(() => response.text()))
      assert.notInclude(exported, "Kestrel")
      assert.strictEqual((yield* ada.ask("GET", `/api/conversations/${id}`)).status, 200)
    }))

  it.scopedLive("are let in by the right password alone, and are out when they have signed out", () =>
    Effect.gen(function*() {
      const { address, data } = yield* accounts
      const ada = client(address)
      assert.strictEqual((yield* ada.ask("GET", "/api/conversations")).status, 401)
      assert.strictEqual((yield* ada.ask("GET", "/api/events")).status, 401)
      assert.strictEqual((yield* ada.signUp("ada", "short")).status, 403)
      const made = yield* ada.signUp("ada", "correct horse")
      assert.match(made.headers.get("set-cookie") ?? "", /HttpOnly; SameSite=Strict/)
      assert.strictEqual((yield* ada.ask("GET", "/api/conversations")).status, 200)
      assert.strictEqual(
        (yield* ada.ask("POST", "/api/conversations", undefined, { origin: "http://evil.example" })).status,
        403
      )
      assert.strictEqual((yield* client(address).signUp("ada", "another horse")).status, 403)
      const wrong = yield* does(async () => [
        await Effect.runPromise(
          Effect.flatMap(client(address).signIn("ada", "wrong horse"), (r) => does(() => r.text()))
        ),
        await Effect.runPromise(
          Effect.flatMap(client(address).signIn("eve", "wrong horse"), (r) => does(() => r.text()))
        )
      ])
      assert.strictEqual(wrong[0], wrong[1])
      yield* ada.ask("DELETE", "/api/account/sign-in")
      assert.strictEqual((yield* ada.ask("GET", "/api/conversations")).status, 401)
      assert.strictEqual((yield* ada.signIn("ada", "correct horse")).status, 204)
      assert.strictEqual((yield* ada.ask("GET", "/api/conversations")).status, 200)
      const bytes = yield* everyByte(data)
      assert.isFalse(bytes.includes("correct horse"))
    }))
})

const signIn = (page: Page, button: string, name: string, password: string) =>
  does(async () => {
    const dialog = page.getByRole("dialog", { name: "Sign in" })
    await dialog.getByLabel("Name").fill(name)
    await dialog.getByLabel("Password").fill(password)
    await dialog.getByRole("button", { name: button }).click()
    await dialog.waitFor({ state: "detached" })
    await page.getByText("Live", { exact: true }).waitFor()
  })

describe.skipIf(missingBrowser !== undefined)(`signing in${missingBrowser ?? ""}`, () => {
  it.scopedLive("opens over the page when the sign-in has ended, and what was typed is kept", () =>
    Effect.gen(function*() {
      const { address } = yield* accounts
      const { page } = yield* openPage(address)
      const dialog = page.getByRole("dialog", { name: "Sign in" })
      yield* does(() => dialog.waitFor())
      assert.deepStrictEqual(yield* audit(page), [])
      yield* signIn(page, "Make an account", "ada", "correct horse")
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* does(() => page.locator(".chosen").getByText("sales.csv").waitFor())
      yield* does(() => page.getByLabel("Your message").fill("What is 6*7?"))
      yield* does(() => page.context().clearCookies())
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      yield* does(() => dialog.waitFor())
      yield* signIn(page, "Sign in", "ada", "correct horse")
      assert.strictEqual(yield* does(() => page.getByLabel("Your message").inputValue()), "What is 6*7?")
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      yield* does(() => page.locator(".answer").getByText("42").waitFor())
      yield* does(() => page.getByRole("button", { name: "Settings" }).click())
      yield* does(() => page.getByRole("button", { name: "Sign out" }).click())
      yield* does(() => dialog.waitFor())
      yield* signIn(page, "Make an account", "bob", "battery staple")
      yield* does(() => page.getByText("No conversations yet.").first().waitFor())
    }))
})
