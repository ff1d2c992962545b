import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

export interface SoakServer {
  readonly url: string
  /** Before the same server, with faults. */
  readonly proxyUrl: string
  readonly stop: () => Promise<void>
}

const isPorts = (u: unknown): u is { readonly port: number; readonly proxyPort: number } =>
  typeof u === "object" && u !== null && "port" in u && "proxyPort" in u

export const startServer = async (seed: number): Promise<SoakServer> => {
  const path = fileURLToPath(new URL("./server.ts", import.meta.url))
  const child = spawn(process.execPath, ["--import", "tsx", path, String(seed)], { stdio: ["pipe", "pipe", "inherit"] })
  const [line]: Array<unknown> = await once(child.stdout, "data")
  const ports: unknown = JSON.parse(String(line))
  if (!isPorts(ports)) throw new Error("the server did not say where it listens")
  return {
    url: `http://127.0.0.1:${ports.port}`,
    proxyUrl: `http://127.0.0.1:${ports.proxyPort}`,
    stop: async () => {
      const ended = once(child, "close")
      child.stdin.end()
      await ended
    }
  }
}
