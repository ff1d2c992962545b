/** The protocol of the worker without a thread, for proofs about what is derived. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { OperationTable } from "../Operations.ts"
import { pack, unpack } from "./carryValues.ts"
import type { Link } from "./deriveBlocking.ts"
import type { Request } from "./modelCalls.ts"
import { makeServer, SourceBroken } from "./serveOperations.ts"

/** @internal Every message is cloned as between threads. */
export const linkInThread = (table: OperationTable, store: object): Link => {
  const sources = new Map<number, Iterator<unknown>>()
  const server = makeServer({
    table,
    storeAt: () => Effect.succeed(store),
    pull: (id) =>
      Effect.try({
        try: () => {
          const next = sources.get(id)?.next()
          return next === undefined || next.done === true ? undefined : structuredClone([next.value])
        },
        catch: () => new SourceBroken()
      })
  })
  let last = 0
  const request = (id: number, asked: Request, source?: Iterable<unknown>): unknown => {
    if (source !== undefined) sources.set(id, source[Symbol.iterator]())
    const sent = structuredClone(asked)
    if (sent.op === "shutdown" || sent.op === "describe") return undefined
    const exit = Effect.runSyncExit(server.perform(id, sent))
    if (Exit.isSuccess(exit)) return unpack(structuredClone(exit.value))
    throw unpack(structuredClone(pack(Cause.squash(exit.cause))))
  }
  return {
    get nextId() {
      return ++last
    },
    request,
    release: (of) => void request(++last, { op: "close", of })
  }
}
