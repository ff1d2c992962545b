// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/** File descriptors as Effects. */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Driver from "../Driver.ts"
import type * as StorePath from "../StorePath.ts"

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

/**
 * @internal Up to this many bytes a call is made at once. Reading or writing them takes some 30 µs where the system
 * has them in memory, renaming or removing a file of that size up to 100 µs; a trip to the thread pool costs as much
 * and answers later. With 256 MiB the same calls take 30 to 90 ms, and nobody may wait for those.
 */
export const nowBytes = 64 * 1024

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
      bytes.length <= nowBytes
        ? nowFs(() => Fs.writeSync(fd, bytes))
        : callFs<number>((callback) => Fs.write(fd, bytes, 0, bytes.length, null, callback)),
      (written) => written < bytes.length ? writeAll(fd, bytes.subarray(written)) : Effect.void
    )

/** How many bytes were read into `bytes`; none at the end of the file. */
const readInto = (fd: number, bytes: Uint8Array, position: number): Effect.Effect<number, Driver.Failure> =>
  bytes.length <= nowBytes
    ? nowFs(() => Fs.readSync(fd, bytes, 0, bytes.length, position))
    : callFs<number>((callback) => Fs.read(fd, bytes, 0, bytes.length, position, callback))

/**
 * @internal The bytes from `start` to `end`, a chunk for each pull; `undefined` at the end, also at an early one. With
 * `lends` it is the same array each time, good until the next pull.
 */
export const pullBytes = (
  fd: number,
  start: number,
  end: number,
  chunkBytes: number,
  lends = false
): Effect.Effect<Uint8Array | undefined, Driver.Failure> => {
  let position = start
  let lent: Uint8Array | undefined
  return Effect.suspend(() => {
    const wanted = Math.min(chunkBytes, end - position)
    if (wanted <= 0) return Effect.succeed(undefined)
    // Not zeroed: it is filled at once, and what is not filled is not shown.
    const bytes = lent?.length === wanted ? lent : new Uint8Array(Buffer.allocUnsafeSlow(wanted).buffer)
    if (lends) lent = bytes
    return Effect.map(readInto(fd, bytes, position), (length) => {
      position += length
      return length === 0 ? undefined : length === wanted ? bytes : bytes.subarray(0, length)
    })
  })
}

/** @internal The bytes from `start` to `end` in one array; fails when the file ends before. */
export const readAll = (
  fd: number,
  start: number,
  end: number,
  chunkBytes: number
): Effect.Effect<Uint8Array, Driver.Failure> =>
  Effect.suspend(() => {
    const bytes = new Uint8Array(end - start)
    const fill = (filled: number): Effect.Effect<Uint8Array, Driver.Failure> =>
      filled === bytes.length ? Effect.succeed(bytes) : Effect.flatMap(
        readInto(fd, bytes.subarray(filled, filled + chunkBytes), start + filled),
        (length) => length === 0 ? Effect.fail(truncated()) : fill(filled + length)
      )
    return fill(0)
  })

/** @internal The file is shorter than it was when it was opened. */
export const truncated = (key?: StorePath.Key): Driver.Failure =>
  Driver.refuse({ _tag: "Unavailable", reason: "Truncated", retryable: true }, key)

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
