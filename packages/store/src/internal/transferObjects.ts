/** The operations that move and copy objects within a store. */
import * as Effect from "effect/Effect"
import * as Driver from "../Driver.ts"
import type { WriteResult } from "../Entry.ts"
import type { Operations, TransferOptions } from "../Operations.ts"
import { refused } from "./kernel.ts"
import type { Kernel } from "./kernel.ts"

/** @internal */
export const transferObjects = (kernel: Kernel): Pick<Operations, "move" | "copy"> => {
  const { driver } = kernel
  const transfer = (operation: "move" | "copy") => (from: string, to: string, options?: TransferOptions) =>
    Effect.gen(function*() {
      const primitive = driver[operation]
      if (primitive === undefined) return yield* refused(driver, operation, operation)
      const source = yield* kernel.locate(operation, from)
      const target = yield* kernel.locate(operation, to)
      const call = source.key === target.key ? { operation, source } : { operation, source, target }
      const version = yield* kernel.guard(
        call,
        source.key === target.key
          ? Effect.flatMap(driver.stat(source.key), (node) =>
            node._tag === "Object"
              ? Effect.succeed(node.version)
              : Effect.fail(Driver.refuse({ _tag: "InvalidPath", reason: "IsFolder" })))
          : primitive(source.key, target.key, options?.mode ?? "create")
      )
      const result: WriteResult = { key: target.path, ...version }
      return result
    })
  return { move: transfer("move"), copy: transfer("copy") }
}
