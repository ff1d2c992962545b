/** The operations that ask what is there. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Driver from "../Driver.ts"
import type { ObjectInfo } from "../Entry.ts"
import type { Operations } from "../Operations.ts"
import * as E from "../StoreError.ts"
import * as StorePath from "../StorePath.ts"
import { at } from "./kernel.ts"
import type { Kernel, Place } from "./kernel.ts"

/** @internal */
export const lookAtObjects = (
  kernel: Kernel
): Pick<Operations, "stat" | "head" | "exists" | "isFile" | "isFolder" | "ping"> => {
  const { base, driver } = kernel
  const look = (operation: string, source: Place) => kernel.guard({ operation, source }, driver.stat(source.key))
  const describe = (operation: string) => (path: string) =>
    Effect.flatMap(
      kernel.locate(operation, path),
      (source) =>
        Effect.flatMap(look(operation, source), (node): Effect.Effect<ObjectInfo, E.StoreError> =>
          node._tag === "Folder"
            ? at(driver, operation, new E.InvalidPath({ path: source.path, reason: "IsFolder" }))
            : Effect.succeed({ key: source.path, ...node.version, ...node.attributes }))
    )
  /** The root is a folder, whatever the backend says of it. */
  const ask =
    (operation: string, answer: (tag: Driver.Node["_tag"]) => boolean) =>
    (path: string): Effect.Effect<boolean, E.StoreError> => {
      const folder = StorePath.parsePrefix(path)
      if (Either.isRight(folder) && folder.right === "") return Effect.succeed(answer("Folder"))
      return Effect.flatMap(kernel.locate(operation, path), (source) =>
        Effect.catchTag(
          Effect.map(look(operation, source), (node) => answer(node._tag)),
          "NotFound",
          () => Effect.succeed(false)
        ))
    }
  const head = describe("head")
  return {
    stat: describe("stat"),
    head: (path) => Effect.catchTag(Effect.asSome(head(path)), "NotFound", () => Effect.succeed(Option.none())),
    exists: ask("exists", () => true),
    isFile: ask("isFile", (tag) => tag === "Object"),
    isFolder: ask("isFolder", (tag) => tag === "Folder"),
    ping: () => driver.ping === undefined ? touch(kernel) : kernel.guard({ operation: "ping", path: base }, driver.ping)
  }
}

/** A look at what need not be there: what counts is that the backend answers. */
const touch = (kernel: Kernel): Effect.Effect<void, E.StoreError> =>
  Effect.flatMap(kernel.locate("ping", "ping"), ({ key }) => {
    const { driver } = kernel
    const look: Effect.Effect<unknown, Driver.Failure> = driver.listPage?.(StorePath.root, { recursive: false }) ??
      driver.stat(key)
    return Effect.catchTag(
      kernel.guard({ operation: "ping", path: kernel.base }, Effect.asVoid(look)),
      "NotFound",
      () => Effect.void
    )
  })
