/** From a table of operations to methods that block. */
import type { Capability } from "../Capability.ts"
import { isSendable } from "../Operations.ts"
import type { OperationSpec, OperationTable } from "../Operations.ts"
import { SyncError } from "../StoreError.ts"
import { pack } from "./carryValues.ts"
import { pulled } from "./modelCalls.ts"
import type { Batch, Opened, Request } from "./modelCalls.ts"

/** @internal Who answers requests: a worker, or for a proof the same thread. */
export interface Link {
  readonly nextId: number
  readonly request: (id: number, request: Request, source?: Iterable<unknown>) => unknown
  /** Closes what the call `of` has opened. */
  readonly release: (of: number) => void
}

/** @internal */
export interface Blocking {
  readonly [operation: string]: { call(...args: ReadonlyArray<unknown>): unknown }["call"]
}

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === "object" && value !== null && !(value instanceof Uint8Array) && Symbol.iterator in value

const isRecord = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null

/** Both threads run this package, so an answer is what the row of its operation says. */
const isBatch = (value: unknown): value is Batch => isRecord(value) && Array.isArray(value["elements"])
const isOpened = (value: unknown): value is Opened => isRecord(value) && Array.isArray(value["members"])

const odd = (operation: string) =>
  new SyncError({ reason: "Worker", detail: `${operation} was answered by something else` })

/** @internal Only operations whose needs are met, and that can be sent, are there. */
export const deriveBlocking = (
  table: OperationTable,
  capabilities: Pick<ReadonlySet<Capability>, "has">,
  child: string,
  link: Link
): Blocking => {
  const derived: { [operation: string]: Blocking[string] } = {}
  for (const [operation, spec] of Object.entries(table)) {
    if (!isSendable(spec) || !spec.needs.every((capability) => capabilities.has(capability))) continue
    const call = caller(link, child, operation, spec)
    derived[operation] = spec.kind === "stream"
      ? (...args) => stream(link, operation, () => call(args))
      : spec.kind === "scoped"
      ? (...args) => opened(link, operation, call(args))
      : (...args) => call(args).answer
  }
  return derived
}

interface Called {
  readonly id: number
  readonly answer: unknown
}

/** A body and keys that are an iterable stay here and are pulled. */
const caller =
  (link: Link, child: string, operation: string, spec: OperationSpec) => (args: ReadonlyArray<unknown>): Called => {
    let source: Iterable<unknown> | undefined
    const sent = args.map((arg, index) => {
      const role = spec.arguments[index]
      if (role !== "body" && role !== "keys" || !isIterable(arg)) return pack(arg)
      source = arg
      return pulled
    })
    const id = link.nextId
    return { id, answer: link.request(id, { op: "call", child, operation, arguments: sent }, source) }
  }

/** Nothing is asked before the first element is wanted; leaving the loop closes the stream. */
function* stream(link: Link, operation: string, open: () => Called): Generator<unknown, void> {
  const { answer, id } = open()
  let batch = answer
  // A stream that ends or fails is closed by that.
  let isOpen = true
  try {
    while (true) {
      if (!isBatch(batch)) throw odd(operation)
      isOpen = !batch.ended
      yield* batch.elements
      if (batch.ended) return
      isOpen = false
      batch = link.request(link.nextId, { op: "next", of: id })
      isOpen = true
    }
  } finally {
    if (isOpen) link.release(id)
  }
}

const opened = (link: Link, operation: string, { answer, id }: Called): object => {
  if (!isOpened(answer)) throw odd(operation)
  const invoke = (member: string) => (...args: ReadonlyArray<unknown>) =>
    link.request(link.nextId, { op: "invoke", of: id, member, arguments: args.map(pack) })
  return {
    ...answer.values,
    ...Object.fromEntries(answer.members.map((member) => [member, invoke(member)])),
    [Symbol.dispose]: () => link.release(id)
  }
}
