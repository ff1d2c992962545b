/** Open files of a file system over a store. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AtomicWriter, ObjectReader } from "../Operations.ts"
import { toPlatformError, unsupported } from "./toPlatformError.ts"

/** @internal Devices, inodes, owners and permissions a store does not know. */
export const fileInfo = (
  type: "File" | "Directory",
  size: number,
  mtime: Option.Option<Date>
): FileSystem.File.Info => ({
  type,
  mtime,
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 0,
  ino: Option.none(),
  mode: 0,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  size: FileSystem.Size(size),
  blksize: Option.none(),
  blocks: Option.none()
})

/** No file of the system belongs to it. */
const noDescriptor = FileSystem.FileDescriptor(-1)

const failing = (path: string) => toPlatformError("FileSystem", "read", path)

/** @internal */
export const openedReader = (path: string, { info, readAt }: ObjectReader): FileSystem.File => {
  let position = 0
  const read = (size: number) =>
    Effect.map(Effect.mapError(readAt(position, size), failing(path)), (bytes) => {
      position += bytes.length
      return bytes
    })
  const readOnly = (method: string) => unsupported(method, path, "it was opened for reading")
  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    fd: noDescriptor,
    stat: Effect.succeed(fileInfo("File", info.size, Option.some(DateTime.toDate(info.modifiedAt)))),
    seek: (offset, from) =>
      Effect.sync(() => {
        position = Math.max(0, Number(offset) + (from === "start" ? 0 : position))
      }),
    sync: Effect.void,
    read: (buffer) =>
      Effect.map(read(buffer.length), (bytes) => {
        buffer.set(bytes)
        return FileSystem.Size(bytes.length)
      }),
    readAlloc: (size) =>
      Effect.map(read(Number(size)), (bytes) => bytes.length === 0 ? Option.none() : Option.some(bytes)),
    truncate: () => readOnly("truncate"),
    write: () => readOnly("write"),
    writeAll: () => readOnly("writeAll")
  }
}

/** @internal */
export const openedWriter = (path: string, writer: AtomicWriter): FileSystem.File => {
  let position = 0
  let written = 0
  const writeOnly = (method: string) => unsupported(method, path, "it was opened for writing, and is kept as a whole")
  const write = (bytes: Uint8Array) =>
    Effect.suspend(() => {
      if (position !== written) return unsupported("write", path, "a store writes files from their start to their end")
      written += bytes.length
      position = written
      return Effect.mapError(writer.write(bytes.slice()), toPlatformError("FileSystem", "write", path))
    })
  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    fd: noDescriptor,
    stat: writeOnly("stat"),
    seek: (offset, from) =>
      Effect.sync(() => {
        position = Math.max(0, Number(offset) + (from === "start" ? 0 : position))
      }),
    sync: writeOnly("sync"),
    read: () => writeOnly("read"),
    readAlloc: () => writeOnly("readAlloc"),
    truncate: () => writeOnly("truncate"),
    write: (bytes) => Effect.map(write(bytes), () => FileSystem.Size(bytes.length)),
    writeAll: write
  }
}
