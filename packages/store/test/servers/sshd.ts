// @effect-diagnostics nodeBuiltinImport:off makes keys and a configuration, and starts sshd
/** A real OpenSSH server for one test file: `apt-get install openssh-server openssh-client`. */
import { Effect, Redacted } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { tempFolder } from "../support/tempFolder.ts"
import { freePort, isInstalled, restartable } from "./startServer.ts"

const program = "/usr/sbin/sshd"

export const haveSshd = Fs.existsSync(program) && isInstalled("ssh")

const makeKey = (path: string, kind: string): string => {
  ChildProcess.execFileSync("ssh-keygen", ["-q", "-t", kind, "-N", "", "-C", "", "-f", path])
  return Fs.readFileSync(`${path}.pub`, "utf8").trim()
}

/** What `ssh-keygen -l` says of a key: not our own reckoning. */
const fingerprintOf = (path: string): string =>
  ChildProcess.execFileSync("ssh-keygen", ["-l", "-f", path], { encoding: "utf8" }).split(" ")[1] ?? ""

/** Options of sftp-server, such as to deny a request that it would offer. */
export const makeSshd = (subsystem = "internal-sftp") =>
  Effect.gen(function*() {
    const folder = yield* tempFolder
    const port = yield* freePort
    const hostKey = makeKey(`${folder}/host`, "ed25519")
    const rsaHostKey = makeKey(`${folder}/host-rsa`, "rsa")
    const userKey = makeKey(`${folder}/user`, "ed25519")
    Fs.writeFileSync(`${folder}/authorized`, `${userKey}\n`)
    Fs.mkdirSync(`${folder}/root`)
    if (Os.userInfo().uid === 0) Fs.mkdirSync("/run/sshd", { recursive: true, mode: 0o755 })
    const lines = [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${folder}/host`,
      `HostKey ${folder}/host-rsa`,
      `AuthorizedKeysFile ${folder}/authorized`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin yes",
      "MaxSessions 100",
      "MaxStartups 100",
      `Subsystem sftp ${subsystem}`
    ]
    Fs.writeFileSync(`${folder}/config`, lines.join("\n"))
    const server = yield* restartable(program, ["-D", "-f", `${folder}/config`, "-E", `${folder}/log`], port)
    // The processes that serve connections outlive the one that listens.
    const killConnections = Effect.sync(() => ChildProcess.spawnSync("pkill", ["-KILL", "-P", String(server.pid())]))
    return {
      killConnections,
      restart: Effect.zipRight(killConnections, server.restart),
      folder,
      port,
      hostKey,
      rsaHostKey,
      root: `${folder}/root`,
      userKeyFile: `${folder}/user`,
      /** What a store on it is opened with. */
      options: {
        host: "127.0.0.1",
        port,
        username: Os.userInfo().username,
        credential: { privateKey: Redacted.make(Fs.readFileSync(`${folder}/user`, "utf8")) },
        hostKey: { fingerprints: [fingerprintOf(`${folder}/host.pub`)] },
        root: `${folder}/root`
      }
    }
  })

export type Sshd = Effect.Effect.Success<ReturnType<typeof makeSshd>>
