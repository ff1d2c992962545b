// @effect-diagnostics nodeBuiltinImport:off -- starts programs and listens on ports
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"

/** Whether a test whose program is absent fails instead of being skipped. */
export const isRequired = Effect.runSync(Config.withDefault(Config.boolean("SENNIT_REQUIRE_SERVERS"), false))

/** Whether a program is there, whatever it says. */
export const isInstalled = (program: string): boolean =>
  ChildProcess.spawnSync(program, ["--version"], { timeout: 5000 }).error === undefined

export const temporaryFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "http-client-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true }))
)

/** Listens on a free port of 127.0.0.1; open connections end with the scope. */
export const listening = (server: Net.Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<Net.Socket>()
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
      socket.on("close", () => sockets.delete(socket))
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    const address = server.address()
    return address !== null && typeof address === "object" ? address.port : 0
  })

/** A port that was free a moment ago, for programs that cannot choose one themselves. */
export const freePort: Effect.Effect<number> = Effect.scoped(Effect.suspend(() => listening(Net.createServer())))

class NotReady extends Data.TaggedError("NotReady")<{ readonly message: string }> {}

const connects = (port: number): Effect.Effect<void, NotReady> =>
  Effect.async((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.void)
    })
    socket.on("error", ({ message }) => resume(Effect.fail(new NotReady({ message }))))
  })

/** A program under way; `gone` says why it is not. */
class Program {
  readonly #child: ChildProcess.ChildProcess
  gone: string | undefined

  constructor(program: string, args: ReadonlyArray<string>) {
    this.#child = ChildProcess.spawn(program, [...args], { stdio: "ignore" })
    this.#child.once("error", ({ message }) => this.gone = `${message}; apt-get install ${program}`)
    this.#child.once("exit", (code) => this.gone = `${program} ended with ${code}`)
  }

  readonly end: Effect.Effect<void> = Effect.async((resume) => {
    if (this.gone !== undefined) return resume(Effect.void)
    this.#child.once("exit", () => resume(Effect.void))
    this.#child.kill("SIGTERM")
  })
}

/** Runs a program until the scope ends; it is ready when its port takes connections. */
export const running = (
  program: string,
  args: ReadonlyArray<string>,
  port: number
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const started = yield* Effect.acquireRelease(
      Effect.sync(() => new Program(program, args)),
      ({ end }) => end
    )
    yield* Effect.retry(connects(port), {
      schedule: Schedule.spaced("20 millis"),
      while: () => started.gone === undefined
    })
      .pipe(Effect.catchAll(() => Effect.dieMessage(started.gone ?? `${program} is not ready`)))
  })
