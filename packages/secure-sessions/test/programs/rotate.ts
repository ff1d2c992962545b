// @effect-diagnostics globalConsole:off processEnv:off - a program of its own, run as another process by the tests
/** `rotate.ts <file> <renew before>`: rewraps all data keys and seals all records again, prints a line per batch. */
import { KeyProvider, KeyRotation } from "@sennit/secure-sessions"
import { DateTime, Effect, Layer, ManagedRuntime, Stream } from "effect"
import { keyOf, openFile } from "../support.ts"

const [, , filename = "", renewBefore = "0"] = process.argv

const keys = Layer.orDie(
  KeyProvider.layerKeyring([{ id: "test", key: keyOf(1) }, { id: "next", key: keyOf(2), primary: true }])
)

const program = Effect.gen(function*() {
  const { reencrypt, rewrapAll } = yield* KeyRotation.KeyRotation
  const all = Stream.concat(reencrypt({ renewBefore: DateTime.unsafeMake(Number(renewBefore)) }), rewrapAll)
  yield* Stream.runForEach(
    all,
    ({ keys: wrapped, records }) => Effect.sync(() => process.stdout.write(`${wrapped} ${records}\n`))
  )
})

const runtime = ManagedRuntime.make(openFile(filename, keys))
await runtime.runPromise(program)
await runtime.dispose()
