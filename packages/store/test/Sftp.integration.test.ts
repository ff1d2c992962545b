// @effect-diagnostics nodeBuiltinImport:off looks at the server's disk and starts other clients
import { describe, expect, layer, vi } from "@effect/vitest"
import { Sftp, Transfer } from "@sennit/store"
import { Cause, Chunk, Context, Deferred, Effect, Either, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import { inspect } from "node:util"
import { haveSshd, makeSshd } from "./servers/sshd.ts"
import type { Sshd } from "./servers/sshd.ts"
import { isInstalled, isRequired } from "./servers/startServer.ts"
import { temps } from "./support/disk.ts"
import { lentPieces } from "./support/lentPieces.ts"
import { raceProcesses } from "./support/raceProcesses.ts"
import { tempFolder } from "./support/tempFolder.ts"

vi.setConfig({ testTimeout: 0, hookTimeout: 0 })

class Server extends Context.Tag("@sennit/store/test/Sftp.integration.test/Server")<Server, Sshd>() {}

const overwrite = { mode: "overwrite" } as const
const large = Buffer.from(Uint8Array.from({ length: 3_000_001 }, (_, i) => (i * 31 + (i >>> 8) * 17) & 0xff))

/** A store in a folder of its own, and where that is on the disk. */
const open = Effect.gen(function*() {
  const { options } = yield* Server
  const root = `${options.root}/${randomUUID()}`
  return { store: yield* Sftp.make({ ...options, root }), root, options: { ...options, root } }
})

/** `sftp` of OpenSSH with a batch of commands; what it says. */
const sftp = ({ folder, port, userKeyFile }: Sshd, commands: ReadonlyArray<string>): string => {
  const options = [`IdentityFile=${userKeyFile}`, "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
  return ChildProcess.execFileSync(
    "sftp",
    ["-q", "-b", "-", "-P", String(port), ...options.flatMap((option) => ["-o", option]), "127.0.0.1"],
    { input: commands.join("\n"), encoding: "utf8", cwd: folder }
  )
}

const rclone = (...args: ReadonlyArray<string>) =>
  ChildProcess.spawnSync("rclone", ["--config", "/dev/null", ...args], { encoding: "utf8" })

describe.skipIf(!haveSshd && !isRequired)("SFTP (apt-get install openssh-server openssh-client)", () => {
  layer(Layer.scoped(Server, makeSshd()), { excludeTestServices: true })("with OpenSSH", (it) => {
    it.scoped("OpenSSH's own client reads what we write, and we what it writes", () =>
      Effect.gen(function*() {
        const server = yield* Server
        const { root, store } = yield* open
        const folder = yield* tempFolder
        const name = "grüße & co/a b 'c'.bin"
        yield* store.write(name, large)
        yield* Effect.sync(() => sftp(server, [`get "${root}/${name}" ${folder}/got`]))
        expect(Fs.readFileSync(`${folder}/got`).equals(large)).toBe(true)
        expect(sftp(server, [`ls -1 "${root}/grüße & co"`])).toContain("a b 'c'.bin")
        Fs.writeFileSync(`${folder}/put`, large)
        yield* Effect.sync(() => sftp(server, [`mkdir ${root}/theirs`, `put ${folder}/put "${root}/theirs/x y"`]))
        expect(Buffer.from(yield* store.readBytes("theirs/x y")).equals(large)).toBe(true)
        const keys = yield* Stream.runCollect(Stream.map(store.list("", { recursive: true }), ({ key }) => key))
        expect([...keys]).toEqual([name, "theirs/x y"])
      }))

    it.scoped.skipIf(!isInstalled("rclone") && !isRequired)(
      "rclone finds the same bytes",
      () =>
        Effect.gen(function*() {
          const server = yield* Server
          const { root, store } = yield* open
          const folder = yield* tempFolder
          for (const [key, bytes] of [["a/b", large], ["c d", Buffer.from("ü")]] as const) {
            yield* store.write(key, bytes)
            Fs.mkdirSync(`${folder}/a`, { recursive: true })
            Fs.writeFileSync(`${folder}/${key}`, bytes)
          }
          const remote = `:sftp,host=127.0.0.1,port=${server.port},user=${server.options.username},` +
            `key_file=${server.userKeyFile},shell_type=none:${root}`
          const checked = rclone("check", "--download", folder, remote)
          expect([checked.status, checked.stderr.includes("2 matching files")]).toEqual([0, true])
          Fs.writeFileSync(`${folder}/from rclone`, large)
          expect(rclone("copy", `${folder}/from rclone`, remote).status).toBe(0)
          expect(Buffer.from(yield* store.readBytes("from rclone")).equals(large)).toBe(true)
        })
    )

    it.scoped("a host key that is not known is refused, with what to do about it", () =>
      Effect.gen(function*() {
        const { options } = yield* open
        const right = options.hostKey.fingerprints[0] ?? ""
        const failure = yield* Effect.flip(Sftp.make({ ...options, hostKey: { fingerprints: ["SHA256:other"] } }))
        expect(failure).toMatchObject({ _tag: "BackendUnavailable", reason: "Untrusted", retryable: false })
        expect(inspect(failure, { depth: 9 })).toContain(right)
        expect(inspect(failure, { depth: 9 })).toContain("ssh-keygen -lf")
        const none = yield* Effect.flip(Sftp.make({ ...options, hostKey: { fingerprints: [] } }))
        expect(none).toMatchObject({ reason: "Untrusted" })
      }))

    it.scoped("known_hosts is read as OpenSSH reads it", () =>
      Effect.gen(function*() {
        const server = yield* Server
        const { options } = yield* open
        const folder = yield* tempFolder
        const file = `${folder}/known_hosts`
        const name = `[127.0.0.1]:${server.port}`
        const other = `ssh-ed25519 ${Buffer.from("another key").toString("base64")}`
        const outcome = (text: string) =>
          Effect.suspend(() => {
            Fs.writeFileSync(file, text)
            return Effect.scoped(Sftp.make({ ...options, hostKey: { knownHostsFile: file } }))
          }).pipe(Effect.match({
            onFailure: (failure) => "reason" in failure ? failure.reason : failure._tag,
            onSuccess: () => "trusted"
          }))
        const key = server.hostKey
        expect(yield* outcome(`# comment\n\nelsewhere ${other}\n${name} ${key}\n`)).toBe("trusted")
        expect(yield* outcome(`${name} ${server.rsaHostKey}\n`)).toBe("trusted")
        expect(yield* outcome(`[127.0.0.?]:*,x ${key}`)).toBe("trusted")
        expect(yield* outcome(`[127.0.0.*]:*,!${name} ${key}`)).toBe("Untrusted")
        expect(yield* outcome(`${name} ${other}`)).toBe("Untrusted")
        expect(yield* outcome(`127.0.0.1 ${key}`)).toBe("Untrusted")
        expect(yield* outcome(`${name} ${key}\n@revoked * ${key}`)).toBe("Untrusted")
        expect(yield* outcome(`@cert-authority * ${key}`)).toBe("Untrusted")
        expect(yield* outcome("")).toBe("Untrusted")
        Fs.writeFileSync(file, `${name} ${key}\n`)
        ChildProcess.execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" })
        const hashed = Fs.readFileSync(file, "utf8")
        expect(hashed.startsWith("|1|")).toBe(true)
        expect(yield* outcome(hashed)).toBe("trusted")
        Fs.rmSync(file)
        expect(yield* Effect.flip(Sftp.make({ ...options, hostKey: { knownHostsFile: file } })))
          .toMatchObject({ reason: "Misconfigured" })
      }))

    it.scoped("a refused login says so and shows no secret", () =>
      Effect.gen(function*() {
        const { options } = yield* open
        const password = yield* Effect.exit(
          Sftp.make({ ...options, credential: { password: Redacted.make("hush-hush") } })
        )
        const unreadable = yield* Effect.exit(
          Sftp.make({ ...options, credential: { privateKey: Redacted.make("hush-hush") } })
        )
        for (const exit of [password, unreadable]) {
          expect(Exit.isFailure(exit)).toBe(true)
          expect(inspect(exit, { depth: 20, showHidden: true })).not.toContain("hush")
          if (Exit.isFailure(exit)) expect(Cause.pretty(exit.cause)).not.toContain("hush")
        }
        expect(yield* Effect.flip(password)).toMatchObject({ _tag: "PermissionDenied" })
        expect(yield* Effect.flip(unreadable)).toMatchObject({ reason: "Misconfigured", retryable: false })
      }))

    it.scoped("a write that is interrupted anywhere leaves no temporary file and no folder", () =>
      Effect.gen(function*() {
        const { root, store } = yield* open
        for (let turns = 0; turns < 150; turns++) {
          const fiber = yield* Effect.fork(store.write(`new/${turns}/x`, Stream.make(large, large), overwrite))
          for (let turn = 0; turn < turns; turn++) {
            yield* Effect.async<void>((resume) => void setImmediate(resume, Effect.void))
          }
          yield* Fiber.interrupt(fiber)
          // Interrupted in its last step it is finished all the same.
          const left = Fs.existsSync(`${root}/new/${turns}`) ? Fs.readdirSync(`${root}/new/${turns}`) : ["x"]
          expect(left).toEqual(["x"])
        }
        expect(temps(root)).toEqual([])
      }))

    it.scoped("a connection that breaks fails its calls and is made anew", () =>
      Effect.gen(function*() {
        const server = yield* Server
        const { root, store } = yield* open
        yield* store.write("a", large)
        const reached = yield* Deferred.make<void>()
        const body = Stream.concat(
          Stream.make(large),
          Stream.fromEffect(Effect.as(Deferred.succeed(reached, undefined), large))
        )
        const slow = Stream.tap(body, () => Effect.yieldNow())
        const writer = yield* Effect.fork(Effect.either(store.write("b", Stream.forever(slow), overwrite)))
        yield* Deferred.await(reached)
        yield* server.killConnections
        const outcome = yield* Fiber.join(writer)
        expect(Either.isLeft(outcome) && outcome.left).toMatchObject({
          _tag: "BackendUnavailable",
          reason: "Network",
          retryable: true
        })
        expect(Buffer.from(yield* store.readBytes("a")).equals(large)).toBe(true)
        expect([yield* store.exists("b"), temps(root)]).toEqual([false, []])
      }))

    it.scoped("many fibers share a connection, and a reader that stops early holds nothing", () =>
      Effect.gen(function*() {
        const { store } = yield* open
        yield* store.write("large", large)
        const parts = yield* Effect.forEach(
          Array.from({ length: 200 }, (_, i) => i * 1000),
          (offset) => store.readBytes("large", { range: { offset, length: 3000 } }),
          { concurrency: "unbounded" }
        )
        expect(parts.every((part, i) => large.subarray(i * 1000, i * 1000 + 3000).equals(part))).toBe(true)
        for (let round = 0; round < 300; round++) yield* Stream.runDrain(Stream.take(store.read("large"), 1))
        expect((yield* store.stat("large")).size).toBe(large.length)
      }))

    it.scoped("of 4 processes that create each of 100 keys one wins, and its bytes are whole", () =>
      Effect.gen(function*() {
        const { options, root, store } = yield* open
        const { credential, ...told } = options
        yield* raceProcesses(store, { backend: "sftp", options: told, keys: 100 }, credential.privateKey)
        expect(temps(root)).toEqual([])
      }))

    it.scoped("a piece of a body is the caller's again when the next one is pulled", () =>
      Effect.gen(function*() {
        const { store } = yield* open
        for (const length of [1000, 131_072, 300_001]) {
          yield* store.write("lent", lentPieces(large, length), overwrite)
          expect(Buffer.from(yield* store.readBytes("lent")).equals(large)).toBe(true)
        }
      }))

    it.scoped("files and trees go up and down", () =>
      Effect.gen(function*() {
        const { store } = yield* open
        const folder = yield* tempFolder
        Fs.mkdirSync(`${folder}/in/grüße & co`, { recursive: true })
        const files = { "large": large, "grüße & co/a 'b'": Buffer.from("x"), "none": Buffer.alloc(0) }
        for (const [name, bytes] of Object.entries(files)) Fs.writeFileSync(`${folder}/in/${name}`, bytes)
        const up = yield* Transfer.run(
          Transfer.uploadTree(`${folder}/in`, { store, path: "t" }, { partBytes: 400_000 })
        )
        const down = yield* Transfer.run(Transfer.downloadTree({ store, path: "t" }, `${folder}/out`))
        for (const { done, failures } of [up, down]) {
          expect([done, Chunk.size(failures)]).toEqual([{ objects: 3, bytes: large.length + 1 }, 0])
        }
        for (const [name, bytes] of Object.entries(files)) {
          expect(Fs.readFileSync(`${folder}/out/${name}`).equals(bytes)).toBe(true)
        }
      }))

    it.scoped("links are refused and what they point to is left alone", () =>
      Effect.gen(function*() {
        const { root, store } = yield* open
        yield* store.write("a", "x")
        Fs.symlinkSync(`${root}/a`, `${root}/link`)
        expect(yield* Effect.flip(store.readBytes("link"))).toMatchObject({ reason: "SymbolicLink" })
        expect(yield* Effect.flip(store.write("link", "y", overwrite))).toMatchObject({ reason: "SymbolicLink" })
        expect(Fs.readFileSync(`${root}/a`, "utf8")).toBe("x")
      }))
  })

  // sftp-server can deny requests by name: what it then does not offer is not offered by the store.
  layer(Layer.scoped(Server, makeSshd("internal-sftp -P hardlink,posix-rename")), { excludeTestServices: true })(
    "with a server that cannot replace in one step",
    (it) => {
      it.scoped("there is no write, and nothing falls back to less", () =>
        Effect.gen(function*() {
          const { options } = yield* Server
          expect(yield* Effect.flip(Sftp.make(options))).toMatchObject({ _tag: "CapabilityNotSupported" })
          const store = yield* Sftp.makeBasic(options)
          expect([...store.capabilities]).toEqual(["read", "range", "exclusiveNames", "delete", "list"])
          Fs.writeFileSync(`${options.root}/a`, "x")
          expect(yield* store.readText("a")).toBe("x")
        }))
    }
  )
})
