/** What is asked of a synchronous backend, wherever it runs; all of it can be cloned between threads. */
import type { SyncAttributes, SyncEntry, SyncNode, SyncVersion } from "../Backend.ts"
import type { Condition, GetOptions, Mode } from "../Driver.ts"
import type { Key, Prefix } from "../StorePath.ts"
import type { Unstarted } from "./startWorker.ts"

/** @internal `of` is the number under which something was opened. */
export type Ask =
  | { readonly op: "stat"; readonly key: Key }
  | { readonly op: "open"; readonly of: number; readonly key: Key; readonly options: GetOptions }
  | { readonly op: "next"; readonly of: number }
  | {
    readonly op: "put"
    readonly of: number
    readonly key: Key
    readonly options: { readonly mode: Mode } & SyncAttributes
  }
  | { readonly op: "write"; readonly of: number; readonly bytes: Uint8Array }
  | { readonly op: "commit"; readonly of: number }
  /** What was opened is not wanted any more. */
  | { readonly op: "close"; readonly of: number }
  | { readonly op: "delete"; readonly key: Key; readonly ifMatch: string | undefined }
  | {
    readonly op: "list"
    readonly prefix: Prefix
    readonly options: { readonly recursive: boolean; readonly startAfter?: string | undefined }
  }
  | {
    readonly op: "move" | "copy"
    readonly from: Key
    readonly to: Key
    readonly mode: "create" | "overwrite"
  }
  | { readonly op: "removeFolder"; readonly key: Key }

/** @internal What each is answered with. */
export interface Answers {
  readonly stat: SyncNode
  readonly open: { readonly size: number; readonly etag?: string | undefined }
  /** `undefined` after the last. */
  readonly next: Uint8Array | undefined
  readonly put: void
  readonly write: void
  readonly commit: SyncVersion
  readonly close: void
  readonly delete: void
  readonly list: ReadonlyArray<SyncEntry>
  readonly move: SyncVersion
  readonly copy: SyncVersion
  readonly removeFolder: void
}

/** @internal An error as the backend understands it. */
export interface Understood {
  readonly condition: Condition
  readonly message: string
  /** The key that it concerns, where there are two. */
  readonly key?: Key | undefined
}

/** @internal */
export type ToBackend =
  | { readonly type: "ask"; readonly id: number; readonly ask: Ask }
  | { readonly type: "end" }

/** @internal */
export type FromBackend =
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: Understood }
  /** The backend is open. */
  | { readonly type: "opened" }
  | { readonly type: "ended" }
  | Unstarted

/** @internal What a worker is started with. */
export interface BackendStart {
  readonly module: string
  readonly options: unknown
}

/** @internal How many entries a page of a listing has. */
export const pageSize = 1000
