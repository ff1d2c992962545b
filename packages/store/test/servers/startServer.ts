// @effect-diagnostics nodeBuiltinImport:off globalDate:off starts programs and listens on ports
import { Config, Data, Effect, Schedule, Scope } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"

/** Whether a test whose server is absent fails instead of being skipped. */
export const isRequired = Effect.runSync(Config.withDefault(Config.boolean("SENNIT_REQUIRE_SERVERS"), false))

/** Whether a program is on the path; to start it to find out takes seconds where the machine is busy. */
export const isInstalled = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(Path.delimiter).some((folder) => Fs.existsSync(Path.join(folder, program)))

/** Listens on a free port of 127.0.0.1; open connections end with the scope. */
export const listening = (server: Net.Server) =>
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

/** Ends a program and waits until it is gone. */
const end = (child: ChildProcess.ChildProcess, signal: NodeJS.Signals): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill(signal)
  })

/** Runs a program until the scope ends; it is ready when its port takes connections. Answers how to kill it at once. */
export const running = (program: string, args: ReadonlyArray<string>, port: number) =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => ChildProcess.spawn(program, [...args], { stdio: "ignore" })),
      (started) => end(started, "SIGTERM")
    )
    let gone: string | undefined
    child.once("error", ({ message }) => gone = message)
    child.once("exit", (code) => gone = `${program} ended with ${code}`)
    yield* Effect.retry(connects(port), {
      schedule: Schedule.spaced("20 millis"),
      while: () => gone === undefined
    }).pipe(Effect.catchAll(() => Effect.dieMessage(gone ?? `${program} is not ready`)))
    return { pid: child.pid, kill: end(child, "SIGKILL") }
  })

/** The same with a way to kill it at once and start it again, on the same port and folder. */
export const restartable = (program: string, args: ReadonlyArray<string>, port: number) =>
  Effect.gen(function*() {
    const start = Scope.extend(running(program, args, port), yield* Effect.scope)
    let current = yield* start
    return {
      pid: () => current.pid,
      kill: Effect.suspend(() => current.kill),
      restart: Effect.gen(function*() {
        yield* current.kill
        current = yield* start
      })
    }
  })
