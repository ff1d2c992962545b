/** A driver with something around each of its requests. */
import * as Effect from "effect/Effect"
import type * as Types from "effect/Types"
import type * as Driver from "../Driver.ts"

/** @internal */
export interface Request {
  readonly primitive: "stat" | "get" | "pull" | "put" | "delete" | "list" | "move" | "copy" | "ping"
  /** The key, prefix or first of the keys that it concerns. */
  readonly key: string
}

/** @internal */
export type Around = <A, X, R>(
  request: Request,
  effect: Effect.Effect<A, X | Driver.Failure, R>
) => Effect.Effect<A, X | Driver.Failure, R>

/** @internal A page's successor and an object's next bytes are requests too. */
export const aroundDriver = (driver: Driver.Driver, around: Around): Driver.Driver => {
  const wrapped: Types.Mutable<Driver.Driver> = {
    ...driver,
    stat: (key) => around({ primitive: "stat", key }, driver.stat(key)),
    get: (key, options) =>
      Effect.map(around({ primitive: "get", key }, driver.get(key, options)), (object) => ({
        ...object,
        pull: around({ primitive: "pull", key }, object.pull)
      }))
  }
  const { copy, delete: remove, deleteMany, getAll, listPage, move, openReader, ping, put, removeFolder } = driver
  if (getAll !== undefined) {
    wrapped.getAll = (key, options) => around({ primitive: "get", key }, getAll(key, options))
  }
  if (openReader !== undefined) {
    wrapped.openReader = (key) =>
      Effect.map(around({ primitive: "get", key }, openReader(key)), (reader) => ({
        ...reader,
        readAt: (offset, length) => around({ primitive: "pull", key }, reader.readAt(offset, length))
      }))
  }
  if (put !== undefined) {
    wrapped.put = <X, R>(...[key, body, options]: Parameters<typeof put<X, R>>) =>
      around({ primitive: "put", key }, put(key, body, options))
  }
  if (remove !== undefined) {
    wrapped.delete = (key, options) => around({ primitive: "delete", key }, remove(key, options))
  }
  if (deleteMany !== undefined) {
    wrapped.deleteMany = {
      ...deleteMany,
      run: (keys) => around({ primitive: "delete", key: keys[0] ?? "" }, deleteMany.run(keys))
    }
  }
  if (removeFolder !== undefined) {
    wrapped.removeFolder = (key) => around({ primitive: "delete", key }, removeFolder(key))
  }
  if (listPage !== undefined) {
    const turn = (page: Effect.Effect<Driver.Page, Driver.Failure>, key: string) =>
      Effect.map(around({ primitive: "list", key }, page), ({ entries, next }): Driver.Page => ({
        entries,
        next: next === undefined ? undefined : Effect.suspend(() => turn(next, key))
      }))
    wrapped.listPage = (prefix, options) => turn(listPage(prefix, options), prefix)
  }
  if (move !== undefined) {
    wrapped.move = (from, to, mode) => around({ primitive: "move", key: from }, move(from, to, mode))
  }
  if (copy !== undefined) {
    wrapped.copy = (from, to, mode) => around({ primitive: "copy", key: from }, copy(from, to, mode))
  }
  if (ping !== undefined) wrapped.ping = around({ primitive: "ping", key: "" }, ping)
  return wrapped
}
