/** The side of a synchronous backend: it answers what is asked of it, and keeps what is open. */
import type { SyncBackend, SyncWriter } from "../Backend.ts"
import * as Driver from "../Driver.ts"
import { pageSize } from "./modelBackend.ts"
import type { Answers, Ask, Understood } from "./modelBackend.ts"

/** @internal An answer to something, or an error understood. */
export const answerBackend = (backend: SyncBackend) => {
  const readers = new Map<number, Iterator<Uint8Array>>()
  const writers = new Map<number, SyncWriter>()

  const page = ({ options, prefix }: Extract<Ask, { readonly op: "list" }>): Answers["list"] => {
    const entries = []
    for (const entry of required(backend.list)(prefix, options)) {
      entries.push(entry)
      if (entries.length === pageSize) break
    }
    return entries
  }

  const close = (of: number): void => {
    const reader = readers.get(of)
    const writer = writers.get(of)
    readers.delete(of)
    writers.delete(of)
    reader?.return?.()
    writer?.abort()
  }

  const next = (of: number): Uint8Array | undefined => {
    const { done, value } = open(readers, of).next()
    if (done !== true) return value
    readers.delete(of)
    return undefined
  }

  const commit = (of: number): Answers["commit"] => {
    const writer = open(writers, of)
    const version = writer.commit()
    writers.delete(of)
    return version
  }

  const answer = (ask: Ask): Answers[Ask["op"]] => {
    switch (ask.op) {
      case "stat":
        return backend.stat(ask.key)
      case "open": {
        const { bytes, etag, size } = backend.get(ask.key, ask.options)
        readers.set(ask.of, bytes[Symbol.iterator]())
        return { size, etag }
      }
      case "next":
        return next(ask.of)
      case "put":
        return void writers.set(ask.of, required(backend.put)(ask.key, ask.options))
      case "write":
        return open(writers, ask.of).write(ask.bytes)
      case "commit":
        return commit(ask.of)
      case "close":
        return close(ask.of)
      case "delete":
        return required(backend.delete)(ask.key, { ifMatch: ask.ifMatch })
      case "list":
        return page(ask)
      case "move":
        return required(backend.move)(ask.from, ask.to, ask.mode)
      case "copy":
        return required(backend.copy)(ask.from, ask.to, ask.mode)
      case "removeFolder":
        return backend.removeFolder?.(ask.key)
    }
  }

  return {
    answer,
    understand: (error: unknown): Understood => ({
      condition: conditionOf(backend, error),
      message: error instanceof Error ? error.message : String(error),
      key: error instanceof Driver.Failure ? error.key : undefined
    }),
    end: (): void => {
      for (const of of [...readers.keys(), ...writers.keys()]) close(of)
      backend.close?.()
    }
  }
}

const conditionOf = (backend: SyncBackend, error: unknown): Driver.Condition =>
  error instanceof Driver.Failure && error.cause instanceof Driver.Refusal
    ? error.cause.condition
    : backend.classify(error)

const open = <A>(opened: ReadonlyMap<number, A>, of: number): A => {
  const one = opened.get(of)
  if (one !== undefined) return one
  throw Driver.refuse({ _tag: "Unavailable", reason: "Protocol", retryable: false })
}

/** The store has no operation that would ask for a method which the backend lacks, unless it declares too much. */
const required = <A>(method: A | undefined): A => {
  if (method !== undefined) return method
  throw Driver.refuse({ _tag: "Unavailable", reason: "Misconfigured", retryable: false })
}
