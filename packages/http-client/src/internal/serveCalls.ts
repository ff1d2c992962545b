// @effect-diagnostics schemaSync:off -- an exit is answered outside of any fiber
import * as HttpBody from "@effect/platform/HttpBody"
import * as PlatformClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ConnectionPool } from "../ConnectionPool.ts"
import * as HttpClient from "../HttpClient.ts"
import type { PoolOptions } from "../HttpConfig.ts"
import * as HttpError from "../HttpError.ts"
import * as Session from "../Session.ts"
import { answeredUrl, buildRequest, preciseError } from "./buildRequest.ts"
import { unpackOptions } from "./carryOptions.ts"
import type {
  BodyMessage,
  Call,
  EncodedError,
  FromWorker,
  ResponseMessage,
  ToWorker,
  WorkerStart
} from "./modelCalls.ts"
import { OpenBodies } from "./serveBodies.ts"
import { OpenSockets } from "./serveSockets.ts"

/** A body of a declared length up to this comes along with the head of its response. */
const shortBody = 65_536

type Environment = PlatformClient.HttpClient | ConnectionPool
type Failure = HttpError.HttpError | HttpClientError

/** Session options as they come from the other thread: a bearer token is a value there. */
interface PackedSession extends Omit<Session.SessionOptions, "auth"> {
  readonly auth?:
    | Extract<Session.SessionAuth, { readonly username: string }>
    | { readonly type: "bearer"; readonly origin: string; readonly token: Redacted.Redacted }
    | undefined
}

const sessionOptions = (packed: unknown): Session.SessionOptions => {
  const { auth, ...options } = unpackOptions<PackedSession>(packed)
  return { ...options, auth: auth?.type === "bearer" ? { ...auth, token: Effect.succeed(auth.token) } : auth }
}

const encodeError = Schema.encodeSync(HttpError.HttpError)

const encoded = (error: Failure): EncodedError =>
  encodeError(
    HttpError.isHttpError(error)
      ? error
      : new HttpError.SyncError({ reason: "Worker", detail: "the client failed", cause: error.message })
  )

const encodedCause = (cause: Cause.Cause<Failure>): EncodedError =>
  Option.match(Cause.failureOption(cause), {
    onNone: () =>
      encodeError(
        new HttpError.SyncError({
          reason: "Worker",
          detail: "the call failed in the worker",
          cause: Cause.squash(cause)
        })
      ),
    onSome: encoded
  })

const formOf = (entries: Extract<BodyMessage, { readonly kind: "form" }>["entries"]): FormData => {
  const form = new FormData()
  for (const { filename, name, value } of entries) {
    if (typeof value === "string") form.append(name, value)
    else form.append(name, value, filename)
  }
  return form
}

class CallServer {
  readonly #start: WorkerStart
  readonly #runtime: ManagedRuntime.ManagedRuntime<Environment, never>
  readonly #fibers = new Map<number, Fiber.RuntimeFiber<unknown, Failure>>()
  readonly #sessions = new Map<number, PlatformClient.HttpClient>()
  readonly #pulls = new Map<number, (piece: Effect.Effect<Uint8Array, Option.Option<Error>>) => void>()
  readonly #bodies = new OpenBodies()
  readonly #sockets = new OpenSockets()

  constructor(start: WorkerStart, layer: Layer.Layer<Environment>) {
    this.#start = start
    this.#runtime = ManagedRuntime.make(layer)
  }

  readonly take = (message: ToWorker): void => {
    switch (message.type) {
      case "call":
        return this.#run(message.id, message.call)
      case "cancel":
        return this.#fibers.get(message.id)?.unsafeInterruptAsFork(FiberId.none)
      case "piece":
        return this.#give(
          message.id,
          message.bytes === undefined ? Effect.fail(Option.none()) : Effect.succeed(message.bytes)
        )
      case "broken":
        return this.#give(message.id, Effect.fail(Option.some(new Error("the iterable of the body threw"))))
      case "ping":
        return this.#tell({ type: "pong" })
    }
  }

  #give(id: number, piece: Effect.Effect<Uint8Array, Option.Option<Error>>): void {
    const resume = this.#pulls.get(id)
    this.#pulls.delete(id)
    resume?.(piece)
  }

  #tell(message: FromWorker, transfer: ReadonlyArray<ArrayBuffer> = []): void {
    this.#start.port.postMessage(message, [...transfer])
    Atomics.add(this.#start.signal, 0, 1)
    Atomics.notify(this.#start.signal, 0)
  }

  #run(id: number, call: Call): void {
    const fiber = this.#runtime.runFork(this.#perform(id, call))
    this.#fibers.set(id, fiber)
    fiber.addObserver((exit) => {
      this.#fibers.delete(id)
      this.#answer(id, call.op, exit)
      if (call.op === "shutdown") this.#start.port.close()
    })
  }

  #answer(id: number, op: Call["op"], exit: Exit.Exit<unknown, Failure>): void {
    if (exit._tag === "Success") {
      const { value } = exit
      // bytes that are sent have a buffer of their own, which changes hands
      const transfer = value instanceof Uint8Array && value.buffer instanceof ArrayBuffer ? [value.buffer] : []
      this.#tell({ type: "done", id, op, value }, transfer)
    } else if (Cause.isInterruptedOnly(exit.cause)) this.#tell({ type: "interrupted", id })
    else this.#tell({ type: "failed", id, error: encodedCause(exit.cause) })
  }

  #perform(id: number, call: Call): Effect.Effect<unknown, Failure, Environment> {
    switch (call.op) {
      case "session":
        return Effect.map(
          Session.make(sessionOptions(call.options)),
          ({ client }) => void this.#sessions.set(id, client)
        )
      case "request":
        return this.#request(id, call)
      case "read":
        return this.#bodies.read(call.response)
      case "release":
        return this.#bodies.release(call.response)
      case "stats":
        return Effect.flatMap(ConnectionPool, (pool) => pool.stats)
      case "drain":
        return Effect.flatMap(ConnectionPool, (pool) => pool.drain)
      case "shutdown":
        return Effect.all([this.#bodies.close, this.#sockets.close, this.#runtime.disposeEffect], { discard: true })
      case "connect":
        return this.#sockets.connect(id, call.url, call.options)
      case "send":
        return this.#sockets.send(call.socket, call.message)
      case "receive":
        return this.#sockets.receive(call.socket)
      case "leave":
        return this.#sockets.leave(call.socket)
      case "close":
        return this.#sockets.end(call.socket, call.code, call.reason)
    }
  }

  #request(
    id: number,
    call: Extract<Call, { readonly op: "request" }>
  ): Effect.Effect<ResponseMessage, Failure, Environment> {
    return Effect.gen(this, function*() {
      const client = this.#sessions.get(call.session) ?? (yield* PlatformClient.HttpClient)
      const body = this.#bodyOf(id, call.body)
      const request = buildRequest(call.method, call.url, body, call.headers, call.query)
      const response = yield* Effect.mapError(client.execute(request), preciseError)
      const head = { status: response.status, headers: { ...response.headers }, url: answeredUrl(response) }
      const length = response.headers["content-length"]
      if (call.method === "HEAD" || (length !== undefined && Number(length) <= shortBody)) {
        const whole = yield* Effect.exit(response.arrayBuffer)
        return {
          ...head,
          body: whole._tag === "Success"
            ? new Uint8Array(whole.value)
            : encodedCause(Cause.map(whole.cause, preciseError))
        }
      }
      yield* this.#bodies.add(id, response)
      return { ...head, body: undefined }
    })
  }

  #bodyOf(id: number, body: BodyMessage): HttpBody.HttpBody {
    switch (body.kind) {
      case "none":
        return HttpBody.empty
      case "bytes":
        return HttpBody.uint8Array(body.bytes, body.contentType)
      case "form":
        return HttpBody.formData(formOf(body.entries))
      case "pulled":
        return HttpBody.stream(this.#upload(id))
    }
  }

  /** Pulls from the other thread's iterable whenever the connection takes more. */
  #upload(id: number): Stream.Stream<Uint8Array, Error> {
    return Stream.repeatEffectOption(Effect.async<Uint8Array, Option.Option<Error>>((resume) => {
      this.#pulls.set(id, resume)
      this.#tell({ type: "pull", id })
      return Effect.sync(() => this.#pulls.delete(id))
    })).pipe(Stream.ensuring(Effect.sync(() => this.#tell({ type: "left", id }))))
  }
}

/** Answer the calls of the thread that started this one. @internal */
export const serve = (start: WorkerStart): void => {
  const server = new CallServer(start, HttpClient.layerPooled(unpackOptions<PoolOptions>(start.pool)))
  start.port.on("message", server.take)
}
