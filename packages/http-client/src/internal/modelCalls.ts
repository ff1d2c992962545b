// @effect-diagnostics nodeBuiltinImport:off -- the threads are those of node:worker_threads
/** What a thread that blocks and its worker say to one another; all of it can be cloned between threads. */
import type { HttpMethod } from "@effect/platform/HttpMethod"
import type { MessagePort } from "node:worker_threads"
import type { PoolStats } from "../ConnectionPool.ts"
import type * as HttpError from "../HttpError.ts"

/** No message carries more bytes of a body than this. @internal */
export const windowBytes = 262_144

/** A field of a form: text, or a file. */
interface FormEntry {
  readonly name: string
  readonly value: string | Blob
  readonly filename: string | undefined
}

/** @internal */
export type BodyMessage =
  | { readonly kind: "none" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly contentType: string | undefined }
  | { readonly kind: "form"; readonly entries: ReadonlyArray<FormEntry> }
  /** The worker asks for piece after piece. */
  | { readonly kind: "pulled" }

/** What a thread asks for. `session` 0 is the client without a session. @internal */
export type Call =
  | { readonly op: "session"; readonly options: unknown }
  | {
    readonly op: "request"
    readonly session: number
    readonly method: HttpMethod
    readonly url: string
    readonly query: ReadonlyArray<readonly [string, string]>
    readonly headers: Readonly<Record<string, string>>
    readonly body: BodyMessage
  }
  | { readonly op: "read"; readonly response: number }
  | { readonly op: "release"; readonly response: number }
  | { readonly op: "stats" }
  | { readonly op: "drain" }
  | { readonly op: "shutdown" }
  | { readonly op: "connect"; readonly url: string; readonly options: unknown }
  | { readonly op: "send"; readonly socket: number; readonly message: string | Uint8Array }
  | { readonly op: "receive"; readonly socket: number }
  | { readonly op: "leave"; readonly socket: number }
  | { readonly op: "close"; readonly socket: number; readonly code: number; readonly reason: string }

/** @internal */
export type EncodedError = typeof HttpError.HttpError.Encoded

/** The answer to `request`: a short body comes along, others are read afterwards. @internal */
export interface ResponseMessage {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly url: string
  readonly body: Uint8Array | EncodedError | undefined
}

/** What each call gives. @internal */
export interface Values {
  readonly session: void
  readonly request: ResponseMessage
  readonly read: Uint8Array | undefined
  readonly release: void
  readonly stats: PoolStats
  readonly drain: void
  readonly shutdown: void
  readonly connect: string
  readonly send: void
  readonly receive: string | Uint8Array | undefined
  readonly leave: void
  readonly close: { readonly code: number; readonly reason: string }
}

/** @internal */
export type ToWorker =
  | { readonly type: "call"; readonly id: number; readonly call: Call }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "piece"; readonly id: number; readonly bytes: Uint8Array | undefined }
  | { readonly type: "broken"; readonly id: number }
  | { readonly type: "ping" }

/** @internal */
export type FromWorker =
  | { readonly type: "done"; readonly id: number; readonly op: Call["op"]; readonly value: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: EncodedError }
  | { readonly type: "interrupted"; readonly id: number }
  | { readonly type: "pull"; readonly id: number }
  | { readonly type: "left"; readonly id: number }
  | { readonly type: "pong" }
  | { readonly type: "unstarted"; readonly reason: string }

/** What a worker is started with. @internal */
export interface WorkerStart {
  readonly module: string
  /** The module that makes TypeScript loadable, if that is needed. */
  readonly loader: string | undefined
  readonly port: MessagePort
  /** Counts messages of the worker, so that a thread can wait for the next. */
  readonly signal: Int32Array
  readonly pool: unknown
}
