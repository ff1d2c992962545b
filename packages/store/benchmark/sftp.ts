// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off newPromise:off the peer is callbacks and promises
/** SFTP against a real sshd on this machine: our window of requests and that of ssh2's fastPut. */
import { Sftp, Transfer } from "@sennit/store"
import { Effect, Exit, Redacted, Scope, Stream } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { measured, perSecond, requireThat } from "./workload.ts"
import type { Sample, Workload } from "./workload.ts"

const mebibytes = 64
const size = mebibytes * 2 ** 20

/** What the workload uses of ssh2, which need not be installed to read this file. */
interface Session {
  readonly fastPut: (from: string, to: string, callback: (error?: Error | null) => void) => void
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = Net.createServer()
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === "object" ? address.port : 0))
    })
  })

const connects = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.on("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.on("error", () => resolve(false))
  })

const startSshd = async () => {
  const folder = Fs.mkdtempSync(Path.join(Fs.existsSync("/dev/shm") ? "/dev/shm" : Os.tmpdir(), "sennit-bench-"))
  const port = await freePort()
  for (const name of ["host", "user"]) {
    ChildProcess.execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`])
  }
  Fs.copyFileSync(`${folder}/user.pub`, `${folder}/authorized`)
  if (Os.userInfo().uid === 0) Fs.mkdirSync("/run/sshd", { recursive: true })
  const lines = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/authorized`,
    "PidFile none",
    "StrictModes no",
    "UsePAM no",
    "PermitRootLogin yes",
    "Subsystem sftp internal-sftp"
  ]
  Fs.writeFileSync(`${folder}/config`, lines.join("\n"))
  const child = ChildProcess.spawn("/usr/sbin/sshd", ["-D", "-f", `${folder}/config`, "-E", `${folder}/log`])
  while (!await connects(port)) {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${Fs.readFileSync(`${folder}/log`, "utf8")}`)
  }
  const [, fingerprint = ""] = ChildProcess.execFileSync("ssh-keygen", ["-l", "-f", `${folder}/host.pub`], {
    encoding: "utf8"
  }).split(" ")
  const close = () => {
    child.kill()
    Fs.rmSync(folder, { recursive: true })
  }
  return { folder, port, fingerprint, close, privateKey: Fs.readFileSync(`${folder}/user`, "utf8") }
}

const openPeer = async (port: number, privateKey: string) => {
  const { default: ssh2 } = await import("ssh2")
  const client = new ssh2.Client()
  const session = await new Promise<Session>((resolve, reject) => {
    client.on("error", reject)
    client.on("connect", () => client.setNoDelay(true))
    client.on("ready", () =>
      client.sftp((error, sftp) => {
        if (error === undefined) resolve(sftp)
        else reject(error)
      }))
    client.connect({ host: "127.0.0.1", port, username: Os.userInfo().username, privateKey })
  })
  return { session, close: () => client.end() }
}

const measure = async (work: () => Promise<void>, target: string): Promise<Sample> => {
  Fs.rmSync(target, { force: true })
  const sample = await measured(work, perSecond(mebibytes))
  requireThat(Fs.statSync(target).size === size, "the size of what was put")
  return sample
}

/** A file of 64 MiB, put from the local disk. */
const put: Workload = {
  id: "sftp.64m",
  unit: "MiB/s",
  peerName: "ssh2 fastPut",
  better: "higher",
  target: 1.3,
  open: async () => {
    const server = await startSshd()
    const { fingerprint, folder, port, privateKey } = server
    const source = `${folder}/local/source`
    Fs.mkdirSync(`${folder}/local`)
    Fs.writeFileSync(source, Buffer.alloc(size, "sennit"))
    const scope = Effect.runSync(Scope.make())
    const store = await Effect.runPromise(Scope.extend(
      Sftp.make({
        host: "127.0.0.1",
        port,
        username: Os.userInfo().username,
        credential: { privateKey: Redacted.make(privateKey) },
        hostKey: { fingerprints: [fingerprint] },
        root: `${folder}/ours`
      }),
      scope
    ))
    const peer = await openPeer(port, privateKey)
    Fs.mkdirSync(`${folder}/theirs`)
    return {
      ours: () =>
        measure(
          () =>
            Effect.runPromise(
              Stream.runDrain(Transfer.uploadFile(source, { store, path: "target" }, { mode: "overwrite" }))
            ),
          `${folder}/ours/target`
        ),
      peer: () =>
        measure(
          () =>
            new Promise<void>((resolve, reject) =>
              peer.session.fastPut(source, `${folder}/theirs/target`, (error) => error ? reject(error) : resolve())
            ),
          `${folder}/theirs/target`
        ),
      close: async () => {
        peer.close()
        await Effect.runPromise(Scope.close(scope, Exit.void))
        server.close()
      }
    }
  }
}

/** The rows of the SFTP driver. */
export const sftpWorkloads: ReadonlyArray<Workload> = [put]
