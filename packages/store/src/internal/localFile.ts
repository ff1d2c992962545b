// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/** File descriptors as Effects. */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Driver from "../Driver.ts"

type Callback<A> = (error: NodeJS.ErrnoException | null, value: A) => void

/**
 * @internal One call on the thread pool. It cannot be interrupted: a descriptor must not be closed, and its number
 * reused, while a thread still works with it. Every such call is short (a chunk at most).
 */
export const callFs = <A>(register: (callback: Callback<A>) => void): Effect.Effect<A, Driver.Failure> =>
  Effect.uninterruptible(
    Effect.async<A, Driver.Failure>((resume) =>
      register((error, value) =>
        resume(error === null ? Effect.succeed(value) : Effect.fail(new Driver.Failure({ cause: error })))
      )
    )
  )

/** @internal The same for calls that answer nothing. */
export const runFs = (register: (callback: (error: NodeJS.ErrnoException | null) => void) => void) =>
  callFs<void>((callback) => register((error) => callback(error, undefined)))

/** @internal A call that answers from the kernel's caches and is cheaper made at once. */
export const nowFs = <A>(call: () => A): Effect.Effect<A, Driver.Failure> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(call())
    } catch (cause) {
      return Effect.fail(cause instanceof Driver.Failure ? cause : new Driver.Failure({ cause }))
    }
  })

/** @internal Never fails: a close that reports an error has closed all the same. */
export const closeFd = (fd: number): Effect.Effect<void> => Effect.ignore(nowFs(() => Fs.closeSync(fd)))

/** @internal */
export const writeAll = (fd: number, bytes: Uint8Array): Effect.Effect<void, Driver.Failure> =>
  bytes.length === 0
    ? Effect.void
    : Effect.flatMap(
      callFs<number>((callback) => Fs.write(fd, bytes, 0, bytes.length, null, callback)),
      (written) => written < bytes.length ? writeAll(fd, bytes.subarray(written)) : Effect.void
    )

/** @internal The bytes from `start` to `end`, a chunk for each pull; `undefined` at the end, also at an early one. */
export const pullBytes = (
  fd: number,
  start: number,
  end: number,
  chunkBytes: number
): Effect.Effect<Uint8Array | undefined, Driver.Failure> => {
  let position = start
  return Effect.suspend(() => {
    const wanted = Math.min(chunkBytes, end - position)
    if (wanted <= 0) return Effect.succeed(undefined)
    const buffer = Buffer.allocUnsafeSlow(wanted)
    return Effect.map(
      callFs<number>((callback) => Fs.read(fd, buffer, 0, wanted, position, callback)),
      (length) => {
        position += length
        return length === 0 ? undefined : new Uint8Array(buffer.buffer, 0, length)
      }
    )
  })
}

/** @internal What node reports, in the contract's terms. */
export const classifyErrno = (cause: unknown): Driver.Condition => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  switch (code) {
    case "ENOENT":
      return { _tag: "NotFound" }
    case "EEXIST":
      return { _tag: "AlreadyExists" }
    case "EACCES":
    case "EPERM":
      return { _tag: "PermissionDenied" }
    case "EISDIR":
    case "ENOTEMPTY":
      return { _tag: "InvalidPath", reason: "IsFolder" }
    case "ENOTDIR":
      return { _tag: "InvalidPath", reason: "AncestorIsObject" }
    case "ELOOP":
      return { _tag: "InvalidPath", reason: "SymbolicLink" }
    case "ENXIO":
      return { _tag: "InvalidPath", reason: "SpecialFile" }
    case "ENAMETOOLONG":
      return { _tag: "InvalidPath", reason: "PathTooLong" }
    case "ENOSPC":
    case "EDQUOT":
      return { _tag: "Unavailable", reason: "NoSpace", retryable: false }
    case "EFBIG":
      return { _tag: "Unavailable", reason: "TooLarge", retryable: false }
    case "EROFS":
      return { _tag: "Unavailable", reason: "ReadOnly", retryable: false }
    case "EMFILE":
    case "ENFILE":
      return { _tag: "Unavailable", reason: "Exhausted", retryable: true }
    case "EBUSY":
    case "EAGAIN":
    case "EINTR":
      return { _tag: "Unavailable", reason: "Io", retryable: true }
    default:
      return { _tag: "Unavailable", reason: "Io", retryable: false }
  }
}

/** @internal */
export const isErrno = (failure: Driver.Failure, code: string): boolean =>
  typeof failure.cause === "object" && failure.cause !== null && "code" in failure.cause && failure.cause.code === code
