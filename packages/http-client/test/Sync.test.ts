import { HttpError } from "@sennit/http-client"
import { Connection, ConnectionPool, request, Session, WebSocket } from "@sennit/http-client/Sync"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const server = spawn(process.execPath, [fileURLToPath(new URL("./syncServer.mjs", import.meta.url))], {
  stdio: ["pipe", "pipe", "inherit"]
})
let base = ""
beforeAll(async () => {
  const [line]: Array<Buffer> = await once(server.stdout, "data")
  base = `http://127.0.0.1:${Number(line?.toString())}`
})
afterAll(async () => {
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
/** What the server has seen, asked over a connection of its own, which is counted. */
const counts = (): Counts => {
  const seen = request("GET", `${base}/counts`).json()
  if (!isCounts(seen)) throw new Error("the server counts otherwise")
  return seen
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
    expect(counts().accepted - before).toBe(2)
    expect(session.stats()).toMatchObject({ created: 1, reused: 99, busy: 0 })
  })
})
void [Connection, ConnectionPool, WebSocket, HttpError, createServer, caught]
