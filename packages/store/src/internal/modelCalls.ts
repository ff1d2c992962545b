/** What a thread that blocks and the worker that has the store say to one another. */
import type { Quality } from "../Capability.ts"
import type { Unstarted } from "./startWorker.ts"

/**
 * @internal What a thread asks for. Which operations there are, and what their arguments mean, is said by the table of
 * operations on both sides. `of` is the number of the call that opened a stream or something scoped.
 */
export type Request =
  | { readonly op: "describe" }
  | {
    readonly op: "call"
    /** The folder that the paths are below. */
    readonly child: string
    readonly operation: string
    readonly arguments: ReadonlyArray<unknown>
  }
  | { readonly op: "next"; readonly of: number }
  | { readonly op: "invoke"; readonly of: number; readonly member: string; readonly arguments: ReadonlyArray<unknown> }
  | { readonly op: "close"; readonly of: number }
  | { readonly op: "shutdown" }

/** @internal What is known of the store. */
export interface Description {
  readonly name: string
  readonly capabilities: ReadonlyArray<string>
  readonly quality: Quality
}

/** @internal The next elements of a stream; the last answer says that there are no more. */
export interface Batch {
  readonly elements: ReadonlyArray<unknown>
  readonly ended: boolean
}

/** @internal What was opened: what is known of it, and what can be called. */
export interface Opened {
  readonly values: { readonly [member: string]: unknown }
  readonly members: ReadonlyArray<string>
}

/** @internal In the place of an argument that is pulled piece by piece. */
export const pulled = "@sennit/store/pulled"

/** @internal */
export type ToWorker =
  | { readonly type: "request"; readonly id: number; readonly request: Request }
  | { readonly type: "piece"; readonly id: number; readonly elements: ReadonlyArray<unknown> | undefined }
  | { readonly type: "broken"; readonly id: number }
  | { readonly type: "ping" }

/** @internal */
export type FromWorker =
  | { readonly type: "done"; readonly id: number; readonly value: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: unknown }
  | { readonly type: "pull"; readonly id: number }
  | { readonly type: "pong" }
  | Unstarted
