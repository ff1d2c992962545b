import { HttpError } from "@sennit/http-client"
import { Connection, ConnectionPool, request, Session, WebSocket } from "@sennit/http-client/Sync"
import * as Redacted from "effect/Redacted"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { setImmediate } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"

const server = spawn(process.execPath, [fileURLToPath(new URL("./syncServer.mjs", import.meta.url))], {
  stdio: ["pipe", "pipe", "inherit"]
})
let base = ""
let observer = new Session()
/** Most tests share a worker, because it takes time to start one. */
let shared = new Session()
beforeAll(async () => {
  const [line]: Array<Buffer> = await once(server.stdout, "data")
  base = `http://127.0.0.1:${Number(line?.toString())}`
  observer = new Session({ baseUrl: base })
  counts()
  shared = new Session({ baseUrl: base })
})
// a thread that only waits answers nobody, the test runner neither
beforeEach(async () => {
  await setImmediate()
})
afterAll(async () => {
  observer.close()
  shared.close()
  server.stdin.end()
  await once(server, "exit")
})

interface Counts {
  readonly accepted: number
  readonly open: number
  readonly written: number
  readonly received: number
}
const isCounts = (u: unknown): u is Counts => typeof u === "object" && u !== null && "accepted" in u
/** What the server has seen, asked over one more connection. */
const counts = (): Counts => {
  const seen = observer.get("/counts").json()
  if (!isCounts(seen)) throw new Error("the server counts otherwise")
  return seen
}
const socketUrl = () => base.replace("http", "ws")
function* pieces(count: number, size: number) {
  for (let i = 0; i < count; i++) yield new Uint8Array(size)
}
const caught = (call: () => unknown): unknown => {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error("nothing was thrown")
}

describe("a session that blocks", () => {
  it("carries 100 requests over one connection", () => {
    using session = new Session({ baseUrl: base })
    const before = counts().accepted
    for (let i = 0; i < 100; i++) expect(session.get("/hello").text()).toBe("hello")
    expect(counts().accepted - before).toBe(1)
    expect(session.stats()).toMatchObject({ created: 1, reused: 99, busy: 0 })
  })

  it("sends every method and kind of body, keeps cookies and follows redirects", () => {
    using session = new Session({
      baseUrl: base,
      headers: { "x-all": "1" },
      auth: { type: "basic", origin: base, username: "u", password: Redacted.make("p") }
    })
    const landed = session.get("/login")
    expect(landed.url).toBe(`${base}/echo`)
    expect(landed.json()).toMatchObject({ headers: { cookie: "who=me" } })
    expect(session.get("/echo").json()).toMatchObject({
      method: "GET",
      headers: { cookie: "who=me", "x-all": "1", authorization: "Basic dTpw" }
    })
    expect(session.post("/echo", { json: { a: 1 }, query: { q: "x y" } }).json()).toMatchObject({
      method: "POST",
      url: "/echo?q=x+y",
      body: "{\"a\":1}",
      headers: { "content-type": "application/json", "content-length": "7" }
    })
    expect(session.put("/echo", { body: Buffer.from("xbytesx").subarray(1, 6) }).json()).toMatchObject({
      body: "bytes"
    })
    expect(session.patch("/echo", { body: "text" }).json()).toMatchObject({ body: "text", method: "PATCH" })
    expect(session.delete("/echo", { body: new URLSearchParams({ a: "b c" }) }).json()).toMatchObject({ body: "a=b+c" })
    expect(session.options("/echo").json()).toMatchObject({ method: "OPTIONS" })
    expect(session.head("/hello")).toMatchObject({ status: 200 })
    expect(session.get("/none")).toMatchObject({ status: 404 })
    const form = new FormData()
    form.append("text", "é")
    form.append("file", new File(["content"], "a \"b\".txt", { type: "text/x-test" }))
    expect(session.post("/form", { body: form }).json()).toEqual(["é", "a \"b\".txt", "text/x-test", "content"])
  })

  it("reads a body once as a stream, or as often as one likes; as lines; in its charset", () => {
    const twice = shared.get("/chunked")
    expect([twice.text(), twice.text()]).toEqual(["one\r\ntwo\nthree", "one\r\ntwo\nthree"])
    expect([...shared.get("/chunked").lines()]).toEqual(["one", "two", "three"])
    const streamed = shared.get("/chunked")
    expect(Buffer.concat([...streamed.chunks()]).toString()).toBe("one\r\ntwo\nthree")
    expect(caught(() => streamed.text())).toBeInstanceOf(HttpError.BodyConsumed)
    expect(shared.get("/latin1").text()).toBe("é")
    const nowhere = shared.get("/nowhere")
    expect(caught(() => nowhere.text())).toMatchObject({ _tag: "DecodeError", reason: "Charset" })
    expect(Buffer.from(nowhere.bytes()).toString()).toBe("x")
    expect(caught(() => shared.get("/hello").json())).toMatchObject({ _tag: "DecodeError", reason: "Json" })
  })

  it("streams 64 MiB in windows, while the server waits", () => {
    const bytes = 67_108_864
    const chunks = shared.get("/large", { query: { bytes: String(bytes) } }).chunks()
    let size = chunks.next().value?.length ?? 0
    // asked again and again: what has been written stands still long before the end
    let { written } = counts()
    for (let before = -1; before !== written; written = counts().written) before = written
    expect(written).toBeLessThan(bytes / 4)
    let largest = 0
    let ahead = 0
    for (const chunk of chunks) {
      size += chunk.length
      largest = Math.max(largest, chunk.length)
      // the rest is still with the server: what was written is ahead of what was read by what sockets hold
      ahead = Math.max(ahead, size % 8_388_608 < 65_536 ? counts().written - size : 0)
    }
    expect([size, counts().written]).toEqual([bytes, bytes])
    expect(largest).toBeLessThanOrEqual(262_144)
    expect(ahead).toBeLessThan(bytes / 4)
  })

  it("gives back the connection of a body that is left early, closed or forgotten", () => {
    for (const chunk of shared.get("/large?bytes=67108864").chunks()) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    shared.get("/large?bytes=67108864").close()
    expect(shared.stats()).toMatchObject({ busy: 0 })
    const first = shared.get("/chunked")
    for (let i = 0; i < 128; i++) shared.get("/chunked")
    expect(caught(() => first.text())).toMatchObject({ _tag: "SyncError", reason: "Abandoned" })
  })

  it("uploads an iterable as the server takes it", () => {
    expect(shared.post("/upload", { body: pieces(20, 1_000_000) }).text()).toBe("20000000")
    let pulled = 0
    const endless = function*() {
      while (true) {
        pulled++
        yield new Uint8Array(65_536)
      }
    }
    // the server reads nothing, so no more is pulled than the sockets hold
    expect(caught(() => shared.post("/stop", { body: endless(), timeout: "500 millis" })))
      .toBeInstanceOf(HttpError.TotalTimeout)
    expect(pulled).toBeLessThan(1000)
    expect(shared.stats()).toMatchObject({ busy: 0 })
  })

  it("goes on with an upload that is answered early, and carries one response into another request", () => {
    expect(shared.post("/early", { body: pieces(100, 262_144) }).text()).toBe("early late")
    const source = shared.get("/large", { query: { bytes: "5000000" } })
    expect(shared.post("/upload", { body: source.chunks() }).text()).toBe("5046272")
  })

  it("an iterable that throws ends its request, with what it threw as the cause, and is told of the end", () => {
    const own = new Error("mine")
    let left = false
    const breaking = function*() {
      yield new Uint8Array(10)
      throw own
    }
    expect(caught(() => shared.post("/upload", { body: breaking() }))).toMatchObject({
      _tag: "WriteError",
      cause: own
    })
    const endless = function*() {
      try {
        while (true) yield new Uint8Array(1000)
      } finally {
        left = true
      }
    }
    expect(caught(() => shared.post("/reset", { body: endless() }))).toBeInstanceOf(Error)
    expect(left).toBe(true)
    expect(shared.get("/hello").text()).toBe("hello")
  })
})

describe("failures", () => {
  it("are instances of the classes of HttpError", () => {
    const failed = (path: string) => caught(() => shared.get(path).text())
    expect(failed("http://127.0.0.1:1/")).toBeInstanceOf(HttpError.ConnectError)
    expect(failed("http://127.0.0.1:1/")).toMatchObject({ reason: "Refused", origin: "http://127.0.0.1:1" })
    expect(failed("/reset")).toBeInstanceOf(HttpError.ConnectionClosed)
    expect(failed("/twice")).toMatchObject({ _tag: "ProtocolError", reason: "ContentLength" })
    expect(failed("/short")).toMatchObject({ _tag: "ProtocolError", reason: "TruncatedBody" })
    expect(failed("ftp://host/")).toBeInstanceOf(HttpError.InvalidRequest)
    expect(caught(() => shared.get("/", { headers: { a: "\n" } }))).toMatchObject({ reason: "HeaderValue" })
    expect(caught(() => shared.post("/", { json: 1n }))).toMatchObject({ reason: "Body" })
    expect(caught(() => shared.get("/stop", { timeout: 100 }))).toMatchObject({ _tag: "TotalTimeout", millis: 100 })
    const endless = shared.get("/endless", { timeout: 200 }).chunks()
    expect(Buffer.from(endless.next().value ?? []).toString()).toBe("start")
    expect(caught(() => endless.next())).toBeInstanceOf(HttpError.TotalTimeout)
    expect(shared.stats()).toMatchObject({ busy: 0 })
  })

  it("limits and phases are those of the pool", () => {
    using limited = new Session({ baseUrl: base, limits: { bodyBytes: 3 }, timeouts: { headers: "100 millis" } })
    expect(caught(() => limited.get("/hello").text())).toBeInstanceOf(HttpError.BodyTooLarge)
    expect(caught(() => limited.get("/stop"))).toMatchObject({ _tag: "HeadersTimeout", millis: 100 })
  })

  it("a server on the thread that waits is refused", async () => {
    const own = createServer((_, response) => response.end("never"))
    own.listen(0, "127.0.0.1")
    await once(own, "listening")
    const address = own.address()
    const port = typeof address === "object" ? address?.port : undefined
    using session = new Session()
    expect(caught(() => session.get(`http://127.0.0.1:${port}/`))).toMatchObject({
      _tag: "SyncError",
      reason: "SameThread"
    })
    own.close()
  })

  it("what was closed stays closed; an option that cannot travel is refused", () => {
    const session = new Session({ baseUrl: base })
    session.get("/hello")
    session.close()
    session.close()
    expect(caught(() => session.get("/hello"))).toMatchObject({ _tag: "SyncError", reason: "Closed" })
    const odd: object = { headers: { a: () => "function" } }
    using wrong = new Session({ baseUrl: base, ...odd })
    expect(caught(() => wrong.get("/hello"))).toMatchObject({ _tag: "SyncError", reason: "Options" })
  })
})

describe("pools, connections, workers", () => {
  it("a pool lends its connections to sessions, and drains", () => {
    using pool = new ConnectionPool({ connectionsPerOrigin: 2 })
    expect(pool.session({ baseUrl: base }).get("/login").text()).toContain("who=me")
    const other = pool.session({ baseUrl: base })
    expect(other.get("/echo").text()).not.toContain("who=me")
    other.close()
    expect(pool.get(`${base}/login`).status).toBe(302)
    expect(pool.stats()).toMatchObject({ created: 1, idle: 1 })
    pool.drain()
    expect(caught(() => pool.get(`${base}/hello`))).toBeInstanceOf(HttpError.PoolClosed)
    expect(pool.stats()).toMatchObject({ open: 0 })
  })

  it("one request by itself leaves nothing behind", () => {
    const { accepted, open } = counts()
    expect(request("POST", `${base}/login`, { body: "x" }).json()).toMatchObject({ method: "GET", body: "" })
    while (counts().open > open) { /* the server notices the end of a socket in its own time */ }
    expect(counts().accepted).toBe(accepted + 1)
  })

  it("a session that is left open holds no process alive, and starts from any kind of script", () => {
    const script = `import { Session } from "@sennit/http-client/Sync"
      process.stdout.write(new Session().get("${base}/hello").text())`
    const { status, stdout } = spawnSync(
      process.execPath,
      ["--import", "tsx", "-C", "@sennit/source", "--input-type=module", "-e", script],
      { encoding: "utf8", cwd: fileURLToPath(new URL("..", import.meta.url)) }
    )
    expect([status, stdout]).toEqual([0, "hello"])
  })

  it("a connection is one connection", () => {
    using connection = new Connection()
    for (let i = 0; i < 3; i++) expect(connection.get(`${base}/hello`).text()).toBe("hello")
    const unread = connection.get(`${base}/large?bytes=9000000`)
    expect(connection.stats()).toMatchObject({ open: 1, busy: 1, created: 1 })
    expect(unread.bytes().length).toBe(9_043_968)
  })

  it("the end of a session closes its sockets, read or not", () => {
    const { open } = counts()
    const session = new Session({ baseUrl: base })
    const unread = session.get("/endless")
    session.get("/hello")
    expect(counts().open).toBe(open + 2)
    session.close()
    while (counts().open > open) { /* the server notices the end of a socket in its own time */ }
    expect(caught(() => unread.text())).toMatchObject({ _tag: "SyncError", reason: "Closed" })
  })
})

describe("a WebSocket that blocks", () => {
  it("sends and receives text and bytes, with a time limit that loses nothing", () => {
    using socket = WebSocket.connect(socketUrl(), { protocols: ["one", "two"] })
    expect(socket.protocol).toBe("one")
    const large = new Uint8Array(1_000_000).fill(7)
    for (const message of ["héllo", "", new Uint8Array([0, 255]), large]) {
      socket.send(message)
      const back = socket.receive()
      expect(typeof back).toBe(typeof message)
      expect(Buffer.compare(Buffer.from(back ?? "-"), Buffer.from(message))).toBe(0)
    }
    socket.send("silence")
    expect(caught(() => socket.receive({ timeout: "50 millis" }))).toBeInstanceOf(HttpError.TotalTimeout)
    socket.send("after")
    expect(socket.receive({ timeout: "30 seconds" })).toBe("after")
    expect(socket.close(3000, "enough")).toMatchObject({ code: 3000, reason: "enough" })
    expect(caught(() => socket.send("late"))).toBeInstanceOf(HttpError.SyncError)
  })

  it("is iterated to an end in order; another end is thrown; it shares the worker of a session", () => {
    using socket = shared.webSocket(socketUrl())
    for (const message of ["a", "b", "close"]) socket.send(message)
    expect([...socket]).toEqual(["a", "b"])
    expect(socket.receive()).toBeUndefined()
    using other = shared.webSocket(socketUrl())
    other.send("leave")
    expect(caught(() => other.receive())).toMatchObject({ _tag: "WebSocketClosed", code: 4001, reason: "bye" })
    expect(caught(() => WebSocket.connect("ws://127.0.0.1:1/"))).toBeInstanceOf(HttpError.ConnectError)
  })
})
