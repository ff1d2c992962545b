// @effect-diagnostics nodeBuiltinImport:off -- starts the server in a process of its own
// @effect-diagnostics asyncFunction:off -- the harness and the peers speak promises
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"

export interface Sample {
  readonly value: number
  readonly cpuMs: number
  /** Pieces of work that the CPU time was spent on. */
  readonly operations?: number
}

export interface Workload {
  readonly id: string
  readonly unit: string
  readonly peerName: string
  readonly better: "lower" | "higher"
  readonly target: number
  /** Rounds of each side at least; five when it does not say. */
  readonly rounds?: number | undefined
  readonly open: () => Promise<{
    readonly ours: () => Promise<Sample>
    readonly peer: () => Promise<Sample>
    readonly close: () => Promise<void>
  }>
}

/** One side of a comparison: it does a number of pieces of work, and throws when a result is wrong. */
export interface Side {
  readonly run: (count: number) => Promise<void>
  readonly close: () => Promise<void>
}

const warmUpMillis = 2000
const roundMillis = 700

const timed = async (side: Side, count: number): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await side.run(count)
  const seconds = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(cpu)
  return { value: count / seconds, cpuMs: (user + system) / 1000, operations: count }
}

/** Runs a side until it is warm; gives how much work fills a round. */
const warm = async (side: Side, batch: number): Promise<number> => {
  const end = performance.now() + warmUpMillis
  let rate = 0
  while (performance.now() < end) rate = (await timed(side, batch)).value
  return Math.max(batch, Math.round(rate * roundMillis / 1000))
}

/** Work per second of ours beside the peer's; `batch` is the smallest piece of work that makes sense. */
export const compare = (
  row: {
    readonly id: string
    readonly unit: string
    readonly peerName: string
    readonly target: number
    readonly batch: number
    readonly rounds?: number
  },
  sides: (server: Server) => Promise<readonly [ours: Side, peer: Side]>,
  options: { readonly tls: boolean } = { tls: false }
): Workload => ({
  id: row.id,
  unit: row.unit,
  peerName: row.peerName,
  better: "higher",
  target: row.target,
  rounds: row.rounds,
  open: async () => {
    const server = await startServer(options.tls)
    const [ours, peer] = await sides(server)
    const counts = [await warm(ours, row.batch), await warm(peer, row.batch)] as const
    return {
      ours: () => timed(ours, counts[0]),
      peer: () => timed(peer, counts[1]),
      close: async () => {
        await ours.close()
        await peer.close()
        await server.stop()
      }
    }
  }
})

export interface Server {
  readonly url: string
  readonly secureUrl: string
  /** What signed the certificate of `secureUrl`. */
  readonly ca: string
  readonly stop: () => Promise<void>
}

const startServer = async (tls: boolean): Promise<Server> => {
  const folder = mkdtempSync(path.join(tmpdir(), "sennit-bench-"))
  const key = path.join(folder, "key.pem")
  const cert = path.join(folder, "cert.pem")
  if (tls) {
    execFileSync("openssl", [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost".split(" "),
      "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "-keyout",
      key,
      "-out",
      cert
    ], { stdio: "ignore" })
  }
  const script = fileURLToPath(new URL("./server.mjs", import.meta.url))
  const child = spawn(process.execPath, tls ? [script, key, cert] : [script], { stdio: ["pipe", "pipe", "inherit"] })
  const [line]: Array<unknown> = await once(child.stdout, "data")
  const [port, securePort] = String(line).split(" ").map(Number)
  const ca = tls ? readFileSync(cert, "utf8") : ""
  rmSync(folder, { recursive: true })
  return {
    url: `http://127.0.0.1:${port}`,
    secureUrl: `https://localhost:${securePort}`,
    ca,
    stop: async () => {
      const ended = once(child, "exit")
      child.stdin.end()
      await ended
    }
  }
}

/** `worker` is called again and again, by so many at once, until `count` pieces of work are done. */
export const share = async (count: number, concurrency: number, worker: () => Promise<void>): Promise<void> => {
  let left = count
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (left-- > 0) await worker()
  }))
}

export const check = (text: string): void => {
  if (text !== "Hello, World!") throw new Error("the response is not what the server sent")
}
