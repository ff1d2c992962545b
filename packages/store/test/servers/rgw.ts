// @effect-diagnostics nodeBuiltinImport:off starts programs
/** Ceph's object gateway on one monitor and one store in memory, of a folder of its own. About 13 seconds. */
import { Data, Effect, Redacted, Schedule } from "effect"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { freePort, isInstalled, restartable, running } from "./startServer.ts"

export const hint = "apt-get install --no-install-recommends ceph-mon ceph-osd radosgw"

export const haveRgw = ["radosgw", "ceph-mon", "ceph-osd"].every(isInstalled)

export const credentials = { accessKeyId: "AKIATEST", secretAccessKey: Redacted.make("SECRETTEST") }

class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {}

/** Runs a program to its end. */
const run = (program: string, args: ReadonlyArray<string>): Effect.Effect<void, CommandFailed> =>
  Effect.async((resume) => {
    const child = ChildProcess.execFile(program, [...args], { timeout: 60_000 }, (error, _, stderr) => {
      resume(
        error === null
          ? Effect.void
          : Effect.fail(new CommandFailed({ message: `${program} ${args.join(" ")}: ${stderr || error.message}` }))
      )
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

interface Setup {
  readonly folder: string
  readonly fsid: string
  readonly ports: { readonly gateway: number; readonly monitor: number }
  readonly gibibytes: number
}

const settings = ({ folder, fsid, gibibytes, ports }: Setup) => `
[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${ports.monitor}/0]
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
osd pool default pg autoscale mode = off
osd objectstore = memstore
memstore device bytes = ${gibibytes * 2 ** 30}
osd memory target = 939524096
log file = ${folder}/$name.log
pid file = ${folder}/$name.pid
admin socket = ${folder}/$name.asok
run dir = ${folder}
mon data = ${folder}/mon
osd data = ${folder}/osd
keyring = ${folder}/keyring
mon data avail warn = 1
mon data avail crit = 1
[client.rgw]
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${ports.gateway}
rgw enable usage log = false
rgw thread pool size = 128
rgw gc obj min wait = 1
rgw gc processor period = 2
rgw gc processor max time = 2
`

const keys: ReadonlyArray<readonly [name: string, caps: ReadonlyArray<string>]> = [
  ["mon.", ["--cap", "mon", "allow *"]],
  ["client.admin", ["--cap", "mon", "allow *", "--cap", "osd", "allow *"]],
  ["osd.0", ["--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"]],
  ["client.rgw", ["--cap", "mon", "allow *", "--cap", "osd", "allow *"]]
]

const prepareMonitor = (folder: string, config: string, fsid: string, port: number) =>
  Effect.gen(function*() {
    const keyring = Path.join(folder, "keyring")
    for (const [name, caps] of keys) {
      const create = Fs.existsSync(keyring) ? [] : ["--create-keyring"]
      yield* run("ceph-authtool", [...create, keyring, "--gen-key", "-n", name, ...caps])
    }
    const map = Path.join(folder, "monmap")
    yield* run("monmaptool", ["--create", "--addv", "a", `[v2:127.0.0.1:${port}]`, "--fsid", fsid, map])
    yield* run("ceph-mon", ["-c", config, "--mkfs", "-i", "a", "--monmap", map, "--keyring", keyring])
  })

/** Starts a gateway with so much memory for objects. It ends with the scope. */
export const startRgwOf = (gibibytes: number) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "sennit-rgw-"))),
      (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
    )
    for (const name of ["mon", "osd", "rgw"]) Fs.mkdirSync(Path.join(folder, name))
    const ports = { gateway: yield* freePort, monitor: yield* freePort }
    const fsid = randomUUID()
    const config = Path.join(folder, "ceph.conf")
    Fs.writeFileSync(config, settings({ folder, fsid, ports, gibibytes }))
    const ceph = (...args: ReadonlyArray<string>) => run("ceph", ["-c", config, ...args])
    yield* prepareMonitor(folder, config, fsid, ports.monitor)
    yield* running("ceph-mon", ["-f", "-c", config, "-i", "a"], ports.monitor)
    const osd = randomUUID()
    yield* ceph("osd", "new", osd)
    yield* run("ceph-osd", ["-c", config, "-i", "0", "--mkfs", "--osd-uuid", osd])
    yield* Effect.ignore(ceph("osd", "crush", "add-bucket", "localhost", "host"))
    yield* Effect.ignore(ceph("osd", "require-osd-release", "pacific"))
    yield* running("ceph-osd", ["-f", "-c", config, "-i", "0"], ports.monitor)
    const gateway = yield* restartable("radosgw", ["-f", "-c", config, "-n", "client.rgw"], ports.gateway)
    const user = ["--uid=test", "--display-name=test", "--access-key=AKIATEST", "--secret-key=SECRETTEST"]
    yield* Effect.retry(run("radosgw-admin", ["-c", config, "user", "create", ...user]), Schedule.recurs(3))
    return { endpoint: `http://127.0.0.1:${ports.gateway}`, kill: gateway.kill, restart: gateway.restart }
  })

export const startRgw = startRgwOf(4)
