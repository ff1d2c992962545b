// @effect-diagnostics nodeBuiltinImport:off writes configurations and starts programs
/** OpenStack Swift with its S3 interface, whole on this machine. It reads /etc/swift, so it gets a mount of its own. */
import { Effect, Redacted } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { tempFolder } from "../support/tempFolder.ts"
import { freePort, isInstalled, running } from "./startServer.ts"

export const hint = "as root: apt-get install swift swift-proxy swift-object swift-container swift-account memcached"

/** Programs of the system, not of this package. */
const programs = { mount: "unshare", ring: "swift-ring-builder" }

const mayMount = (): boolean => ChildProcess.spawnSync(programs.mount, ["-m", "true"]).status === 0

export const haveSwift = ["swift-proxy-server", "swift-object-server", "memcached"].every(isInstalled) &&
  Fs.existsSync("/etc/swift") && mayMount()

export const credentials = { accessKeyId: "test:tester", secretAccessKey: Redacted.make("testing") }

const kinds = ["object", "container", "account"] as const

const backend = (kind: string, folder: string, port: number) => `
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
mount_check = false
user = root
devices = ${folder}/devices
fallocate_reserve = 0
disable_fallocate = true
log_level = WARNING
[pipeline:main]
pipeline = ${kind}-server
[app:${kind}-server]
use = egg:swift#${kind}
recon_cache_path = ${folder}/cache
`

const filters: ReadonlyArray<readonly [name: string, more: string]> = [
  ["catch_errors", ""],
  ["gatekeeper", ""],
  ["healthcheck", ""],
  ["proxy-logging", ""],
  ["listing_formats", ""],
  ["s3api", "location = us-east-1\ns3_acl = false\ncheck_bucket_owner = false\nmin_segment_size = 5242880\n"],
  ["tempauth", "user_test_tester = testing .admin\n"],
  ["bulk", ""],
  ["copy", ""],
  ["slo", "minimum_segment_size = 1\n"],
  ["dlo", ""]
]

const proxy = (port: number, memcached: number) => `
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = root
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging cache listing_formats s3api tempauth bulk copy slo dlo proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${memcached}
${filters.map(([name, more]) => `[filter:${name}]\nuse = egg:swift#${name.replace("-", "_")}\n${more}`).join("")}`

/** All servers end with the shell, whatever ends it. */
const script = (folder: string, memcached: number) => `
trap 'kill $pids; wait; exit 0' TERM
mount --bind ${folder}/etc /etc/swift
memcached -u root -l 127.0.0.1 -p ${memcached} -m 64 & pids=$!
for kind in ${
  kinds.join(" ")
} proxy; do swift-$kind-server /etc/swift/$kind-server.conf > ${folder}/$kind.log 2>&1 & pids="$pids $!"; done
wait
`

const makeRing = (folder: string, kind: string, port: number) => {
  const builder = `${folder}/etc/${kind}.builder`
  const ring = (...args: ReadonlyArray<string>) =>
    ChildProcess.execFileSync(programs.ring, [builder, ...args], { stdio: "ignore" })
  ring("create", "6", "1", "1")
  ring("add", `r1z1-127.0.0.1:${port}/sdb1`, "1")
  ring("rebalance")
}

/** Starts Swift until the scope ends, and answers its address. */
export const startSwift = Effect.gen(function*() {
  const folder = yield* tempFolder
  for (const name of ["etc", "cache", "devices/sdb1"]) Fs.mkdirSync(`${folder}/${name}`, { recursive: true })
  const write = (name: string, text: string) => Fs.writeFileSync(`${folder}/etc/${name}`, text)
  write(
    "swift.conf",
    "[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n[storage-policy:0]\nname = gold\ndefault = yes\n"
  )
  for (const kind of kinds) {
    const port = yield* freePort
    write(`${kind}-server.conf`, backend(kind, folder, port))
    makeRing(folder, kind, port)
  }
  const memcached = yield* freePort
  const port = yield* freePort
  write("proxy-server.conf", proxy(port, memcached))
  write("start.sh", script(folder, memcached))
  yield* running(programs.mount, ["-m", "--propagation", "private", "sh", `${folder}/etc/start.sh`], port)
  return { endpoint: `http://127.0.0.1:${port}` }
})
