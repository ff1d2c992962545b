/** Small files that hold a secret: written whole and for good, readable by their owner alone. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { isThere } from "./DemoError.ts"

/** `wx` refuses where there is a file already. */
export const write = Effect.fnUntraced(function*(file: string, text: string, flag: "wx" | "w") {
  const fs = yield* FileSystem.FileSystem
  const handle = yield* fs.open(file, { flag, mode: 0o600 })
  yield* handle.writeAll(new TextEncoder().encode(text))
  yield* handle.sync
}, Effect.scoped)

/** Written in a folder of its own and linked: two first starts agree on one content, a crash leaves none or all of it. */
export const writeFirst = Effect.fnUntraced(function*(folder: string, file: string, text: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const temporary = path.join(yield* fs.makeTempDirectoryScoped({ directory: folder, prefix: ".key-" }), "key")
  yield* write(temporary, text, "wx")
  yield* Effect.catchIf(fs.link(temporary, file), isThere, () => Effect.void)
}, Effect.scoped)
