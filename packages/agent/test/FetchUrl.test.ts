import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { expect, it } from "@effect/vitest"
import { FetchUrl, WebClient } from "@sennit/agent"
import { ToolContext } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { rawServer } from "./servers/rawServer.ts"

// The tests' own server is on the loopback address, which a guarded client would refuse.
const webClient = Layer.effect(WebClient.WebClient, HttpClient.HttpClient).pipe(Layer.provide(FetchHttpClient.layer))

const fetchUrls = (urls: ReadonlyArray<string>) =>
  FetchUrl.tool.invoke({ urls }, ToolContext.make({ runId: "r", callId: "c" })).pipe(
    Effect.provide(webClient),
    Effect.flatMap(Schema.decode(Schema.parseJson(FetchUrl.Pages))),
    Effect.map(({ pages }) => pages)
  )

const pages: Record<string, readonly [status: number, type: string, body: string | Uint8Array]> = {
  "/page": [
    200,
    "text/html; charset=utf-8",
    "<!doctype html><html><head><title>A &amp; B</title><style>p{}</style><script>var x = '<p>no</p>'</script></head>" +
    "<body><!-- hidden --><h1>Head</h1><p title=\"a>b\">One <b>two</b>&#33; 3 < 4</p><ul><li>first<li>second</ul>" +
    "<table><tr><td>a</td><td>b</td></tr></table></body></html>"
  ],
  "/latin": [200, "text/plain; charset=iso-8859-1", new Uint8Array([0x47, 0x72, 0xfc, 0xdf])],
  "/json": [200, "application/json", "{\"a\":1}"],
  "/image": [200, "image/png", "x"],
  "/missing": [404, "text/html", "no"],
  "/big": [200, "text/plain", "a".repeat(5 * 1024 * 1024 + 1)]
}

const server = rawServer((response, _, request) => {
  const [status, type, body] = pages[request.url ?? ""] ?? [200, "text/plain", `page ${request.url}`]
  response.writeHead(status, { "content-type": type }).end(body)
})

it.scopedLive("gives the readable text of a page, without scripts and markup", () =>
  Effect.gen(function*() {
    const { url } = yield* server
    const [page, latin, json] = yield* fetchUrls([`${url}/page`, `${url}/latin`, `${url}/json`])
    expect(page).toEqual({
      url: `${url}/page`,
      contentType: "text/html",
      title: "A & B",
      chars: 44,
      text: "# Head\nOne two! 3 < 4\n- first\n- second\na | b"
    })
    expect(latin).toMatchObject({ text: "Grüß" })
    expect(json).toMatchObject({ text: "{\"a\":1}" })
  }))

it.scopedLive("every address has its own result, in order", () =>
  Effect.gen(function*() {
    const { url } = yield* server
    const many = Array.from({ length: 100 }, (_, i) => `${url}/n${i}`)
    expect((yield* fetchUrls(many)).map((page) => "text" in page ? page.text : "")).toEqual(
      many.map((_, i) => `page /n${i}`)
    )
    const mixed = [
      "nonsense",
      "file:///etc/passwd",
      "http://u:p@x.test/",
      `${url}/missing`,
      `${url}/image`,
      `${url}/big`
    ]
    const reasons = (yield* fetchUrls(mixed)).map((page) => "error" in page ? page.error.reason : "")
    expect(reasons).toEqual(["InvalidUrl", "InvalidUrl", "InvalidUrl", "Status", "ContentType", "TooLarge"])
  }))

it.scopedLive("a server that is not there is an error of that address alone", () =>
  Effect.gen(function*() {
    const gone = yield* Effect.scoped(Effect.map(server, ({ url }) => url))
    const { url } = yield* server
    const [first, second] = yield* fetchUrls([`${gone}/x`, `${url}/json`])
    expect(first).toMatchObject({ error: { reason: "Unreachable" } })
    expect(second).toMatchObject({ title: "" })
  }))
