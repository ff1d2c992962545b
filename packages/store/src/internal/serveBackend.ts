// @effect-diagnostics asyncFunction:off schemaSync:off a worker starts outside of any fiber
/** The worker that has a synchronous backend. */
import * as Schema from "effect/Schema"
import type { SyncDefinition } from "../Backend.ts"
import type { Capability } from "../Capability.ts"
import { answerBackend } from "./answerBackend.ts"
import { unpack } from "./carryValues.ts"
import type { BackendStart, FromBackend, ToBackend } from "./modelBackend.ts"
import { tell } from "./startWorker.ts"
import type { WorkerStart } from "./startWorker.ts"

type Definition = SyncDefinition<Capability, unknown, unknown>

const isDefinition = (value: unknown): value is Definition =>
  typeof value === "object" && value !== null && "open" in value && "options" in value

const isStart = (value: unknown): value is BackendStart =>
  typeof value === "object" && value !== null && "module" in value

/** @internal Opens the backend of a module, and answers until it is told to end. */
export const serve = async (start: WorkerStart): Promise<void> => {
  const data = unpack(start.data)
  if (!isStart(data)) throw new TypeError("no module was named")
  const module: { readonly default?: unknown } = await import(data.module)
  if (!isDefinition(module.default)) throw new TypeError("the default export of the module is no Backend.define(...)")
  const backend = module.default.open(Schema.decodeUnknownSync(module.default.options)(data.options))
  const say = (message: FromBackend) => tell(start, message)
  const { answer, end, understand } = answerBackend(backend)
  start.port.on("message", (message: ToBackend) => {
    if (message.type === "end") {
      try {
        end()
      } finally {
        say({ type: "ended" })
        start.port.close()
      }
      return
    }
    const { ask, id } = message
    try {
      say({ type: "answer", id, value: answer(ask) })
    } catch (error) {
      say({ type: "failed", id, error: understand(error) })
    }
  })
  say({ type: "opened" })
}
