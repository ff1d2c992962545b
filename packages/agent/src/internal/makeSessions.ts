// @effect-diagnostics nodeBuiltinImport:off -- sessions are processes, and their markers must not be guessed
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import { randomUUID } from "node:crypto"
import { SandboxError } from "../AgentError.ts"
import type { CodeSandbox, Execution, Options, Request } from "../CodeSandbox.ts"
import type { SandboxAnswer, SandboxJob } from "./sandboxWorker.ts"
import { startChild } from "./startChild.ts"
import type { Answer } from "./startThread.ts"

interface Settings extends Required<Options> {
  readonly module: string
}

/** A session in one language: its process, while it has one, and who waits for it. */
interface Seat {
  readonly permit: Effect.Semaphore
  child: ChildProcess | undefined
  users: number
  usedAt: number
}

/** The interpreters' own heap is in buffers, or outside of Node's; this is for what is around them. */
const heapMegabytes = 128
const startTimeout = "30 seconds"

/** @internal */
export const makeSessions = (settings: Settings): Effect.Effect<typeof CodeSandbox.Service, never, Scope> =>
  Effect.gen(function*() {
    const seats = new Map<string, Seat>()
    yield* Effect.addFinalizer(() => Effect.forEach(seats.values(), end, { concurrency: "unbounded", discard: true }))

    const idleMillis = Duration.toMillis(settings.idle)
    yield* Clock.currentTimeMillis.pipe(
      Effect.flatMap((now) =>
        Effect.forEach(Array.from(seats), ([key, seat]) => {
          if (seat.users > 0 || now - seat.usedAt < idleMillis) return Effect.void
          seats.delete(key)
          return end(seat)
        }, { discard: true })
      ),
      Effect.repeat(Schedule.spaced(Duration.min(settings.idle, "1 minute"))),
      Effect.delay(Duration.min(settings.idle, "1 minute")),
      Effect.forkScoped
    )

    const enter = (key: string) =>
      Effect.suspend(() => {
        const seat = seats.get(key) ?? { permit: Effect.unsafeMakeSemaphore(1), child: undefined, users: 0, usedAt: 0 }
        seat.users++
        seats.delete(key)
        seats.set(key, seat)
        return Effect.as(makeRoom(seats, settings.maxSessions), seat).pipe(
          Effect.onError(() => Effect.sync(() => leave(seats, key, seat)))
        )
      })

    const within = (duration: Duration.DurationInput, child: ChildProcess, request: Request) =>
      Effect.timeoutFail(ask(child, request, settings), {
        duration,
        onTimeout: () => lost("Timeout", `It did not end within ${Duration.format(duration)}.`)
      })
    const runIn = (seat: Seat, request: Request) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const kept = seat.child !== undefined && !isOver(seat.child) ? seat.child : undefined
          const child = kept ?? startChild(settings.module, heapMegabytes)
          seat.child = child
          return { child, isNew: kept === undefined }
        }),
        ({ child, isNew }) => {
          const run = within(settings.timeout, child, request)
          // What the start takes is not taken from the time of the code.
          return isNew
            ? Effect.zipRight(within(startTimeout, child, { language: request.language, code: "0" }), run)
            : run
        },
        (_, exit) => Exit.isFailure(exit) ? end(seat) : Effect.void
      )

    return {
      run: Effect.fn("CodeSandbox.run")(function*(session, request) {
        yield* checkSize(request, settings.maxFileChars)
        const key = `${request.language} ${session}`
        const execution = yield* Effect.acquireUseRelease(
          enter(key),
          (seat) => seat.permit.withPermits(1)(runIn(seat, request)),
          (seat) =>
            Effect.map(Clock.currentTimeMillis, (now) => {
              seat.usedAt = now
              leave(seats, key, seat)
            })
        )
        const chars = execution.created.reduce((sum, { text }) => sum + text.length, 0)
        return chars <= settings.maxFileChars ? execution : yield* new SandboxError({
          reason: "TooLarge",
          detail: `It wrote files of ${chars} characters, and ${settings.maxFileChars} are allowed. None was kept.`
        })
      })
    }
  })

const leave = (seats: Map<string, Seat>, key: string, seat: Seat): void => {
  if (--seat.users === 0 && seat.child === undefined) seats.delete(key)
}

/** Ends the session that was not used for longest, when there are too many. */
const makeRoom = (seats: Map<string, Seat>, maxSessions: number): Effect.Effect<void, SandboxError> =>
  Effect.suspend(() => {
    if (seats.size <= maxSessions) return Effect.void
    for (const [key, seat] of seats) {
      if (seat.users > 0) continue
      seats.delete(key)
      return end(seat)
    }
    return Effect.fail(
      new SandboxError({
        reason: "Busy",
        detail: `${maxSessions} sessions are running code, which is the limit. Nothing was run; try again later.`
      })
    )
  })

const checkSize = ({ code, files = [] }: Request, maxChars: number): Effect.Effect<void, SandboxError> => {
  const chars = files.reduce((sum, { text }) => sum + text.length, code.length)
  return chars <= maxChars ? Effect.void : Effect.fail(
    new SandboxError({
      reason: "TooLarge",
      detail: `The code and its files have ${chars} characters, and ${maxChars} are allowed. Nothing was run.`
    })
  )
}

const lost = (reason: SandboxError["reason"], detail: string): SandboxError =>
  new SandboxError({ reason, detail: `${detail} It was stopped, and the variables of this session are gone.` })

const isOver = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** Kills the process of a session and waits until it is gone. */
const end = (seat: Seat): Effect.Effect<void> =>
  Effect.async((resume) => {
    const { child } = seat
    seat.child = undefined
    if (child === undefined || isOver(child)) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const ask = (child: ChildProcess, request: Request, settings: Settings): Effect.Effect<Execution, SandboxError> =>
  Effect.async((resume) => {
    const marker = `\u0004${randomUUID()}`
    let printed = ""
    let answer: SandboxAnswer | undefined
    // The process goes on with the session; what listened for this run does not.
    const unlisten = () => {
      child.stdout?.off("data", onData)
      child.off("message", onMessage).off("exit", onExit).off("error", onError)
    }
    const settle = (execution: Effect.Effect<Execution, SandboxError>) => {
      unlisten()
      resume(execution)
    }
    const finish = () => {
      const length = printed.indexOf(marker)
      if (answer === undefined || length < 0) return
      const { created, error, result } = answer
      settle(Effect.succeed({ output: printed.slice(0, length).replace(/\n$/, ""), result, error, created }))
    }
    const onData = (text: string) => {
      printed += text
      if (printed.length > settings.maxOutput + marker.length + 1) {
        settle(Effect.fail(lost("Output", `It printed more than ${settings.maxOutput} characters.`)))
      } else finish()
    }
    const onMessage = (message: Answer<SandboxAnswer>) => {
      if ("failed" in message) settle(Effect.fail(toSandboxError(request.language, message.failed)))
      else {
        answer = message.done
        finish()
      }
    }
    const onExit = (_: number | null, signal: string | null) =>
      settle(Effect.fail(
        signal === "SIGABRT"
          ? lost("Memory", "It used more memory than allowed.")
          : lost("Crashed", "It ended the process that it ran in.")
      ))
    const onError = (cause: Error) =>
      settle(Effect.fail(lost("Crashed", `No process could be started: ${cause.message}.`)))
    child.stdout?.setEncoding("utf8").on("data", onData)
    child.on("message", onMessage).on("exit", onExit).on("error", onError)
    const { code, files = [], language } = request
    const job: SandboxJob = { language, code, files, memoryBytes: settings.memoryBytes, marker }
    child.send(job)
    return Effect.sync(unlisten)
  })

const toSandboxError = (
  language: Request["language"],
  { code, message }: { readonly message: string; readonly code: string }
): SandboxError => {
  const peer = language === "python" ? "@pydantic/monty" : "quickjs-emscripten"
  return code.endsWith("MODULE_NOT_FOUND")
    ? new SandboxError({
      reason: "NotInstalled",
      detail: `Running ${language} needs the package ${peer}: npm install ${peer}`
    })
    : lost("Crashed", `It broke its interpreter (${message}).`)
}
