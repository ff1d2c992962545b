import { describe, expect, it } from "@effect/vitest"
import { Agent, FetchUrl, Planner, Toolset } from "@sennit/agent"
import * as NetWebClient from "@sennit/agent/adapters/NetWebClient"
import { ToolContext } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { rawServer } from "../servers/rawServer.ts"

const fetchUrls = (urls: ReadonlyArray<string>) =>
  FetchUrl.tool.invoke({ urls }, ToolContext.make({ runId: "r", callId: "c" })).pipe(
    Effect.flatMap(Schema.decode(Schema.parseJson(FetchUrl.Pages))),
    Effect.map(({ pages }) =>
      pages.map((page) => "text" in page ? page.text : `${page.error.reason}: ${page.error.message}`)
    )
  )

/** Every page is there; /to/HOST/PATH leads to that host and path. */
const server = rawServer((response, _, request) => {
  const target = /^\/to\/(.+)$/.exec(request.url ?? "")?.[1]
  if (target !== undefined) response.writeHead(302, { location: `http://${target}` }).end()
  else response.writeHead(200, { "content-type": "text/plain" }).end(`page ${request.url}`)
})

const hostOf = ({ url }: { readonly url: string }) => new URL(url).host

const clientFor = (site: { readonly url: string }) => NetWebClient.layer({ hosts: [hostOf(site)] })

describe("connections", () => {
  it.scopedLive("fifty addresses in one call share at most ten connections", () =>
    Effect.gen(function*() {
      const site = yield* server
      const urls = Array.from({ length: 50 }, (_, i) => `${site.url}/n${i}`)
      const texts = yield* Effect.provide(fetchUrls(urls), clientFor(site))
      expect(texts).toEqual(urls.map((_, i) => `page /n${i}`))
      expect(site.requests).toHaveLength(50)
      expect(site.connections()).toBeGreaterThan(0)
      expect(site.connections()).toBeLessThanOrEqual(10)
    }))

  it.scopedLive("fifty calls one after the other use one connection", () =>
    Effect.gen(function*() {
      const site = yield* server
      const calls = Effect.forEach(Array.from({ length: 50 }, (_, i) => i), (i) => fetchUrls([`${site.url}/n${i}`]))
      const texts = yield* Effect.provide(calls, clientFor(site))
      expect(texts.flat()).toEqual(Array.from({ length: 50 }, (_, i) => `page /n${i}`))
      expect(site.connections()).toBe(1)
    }))
})

describe("addresses inside the network", () => {
  it.scopedLive("are refused before a connection is made", () =>
    Effect.gen(function*() {
      const site = yield* server
      const { port } = new URL(site.url)
      const hosts = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
      const refused = yield* Effect.provide(fetchUrls(hosts.map((h) => `http://${h}:${port}/x`)), NetWebClient.layer())
      for (const text of refused) expect(text).toMatch(/^Unreachable: /)
      expect(refused[0]).toContain("127.0.0.1")
      expect(site.connections()).toBe(0)
    }))

  it.scopedLive("are reached where their host and port are named", () =>
    Effect.gen(function*() {
      const site = yield* server
      const other = yield* server
      const texts = yield* Effect.provide(fetchUrls([`${site.url}/a`, `${other.url}/b`]), clientFor(site))
      expect(texts[0]).toBe("page /a")
      expect(texts[1]).toMatch(/^Unreachable: /)
      expect(other.connections()).toBe(0)
    }))

  it.scopedLive("are refused as the target of a redirect as well", () =>
    Effect.gen(function*() {
      const site = yield* server
      const inside = yield* server
      const urls = [`${site.url}/to/${hostOf(site)}/here`, `${site.url}/to/${hostOf(inside)}/secret`]
      const texts = yield* Effect.provide(fetchUrls(urls), clientFor(site))
      expect(texts[0]).toBe("page /here")
      expect(texts[1]).toMatch(/^Unreachable: /)
      expect(inside.connections()).toBe(0)
    }))
})

it.scopedLive("the planner answers from a page that it really fetched", () =>
  Effect.gen(function*() {
    const site = yield* rawServer((response) => {
      response.writeHead(200, { "content-type": "text/html" })
      response.end("<title>Ferry</title><p>The ferry leaves at 07:40.</p><p>Bring a coat.</p>")
    })
    const agent = Agent.make({ name: "a", instructions: "", tools: Toolset.make(FetchUrl.tool) })
    const run = Agent.run(agent, { message: `When does the ferry leave, according to ${site.url}/times?` })
    const { events, text } = yield* Effect.provide(run, Layer.merge(Planner.layer, clientFor(site)))
    expect(text).toContain("> The ferry leaves at 07:40.")
    expect(text).toContain(`${site.url}/times`)
    expect(text).not.toContain("coat")
    expect(events.flatMap((event) => event._tag === "ToolResult" ? [event.error] : [])).toEqual([undefined])
    expect(site.requests.map(({ path }) => path)).toEqual(["/times"])
  }))
