import { describe, expect, it, vi } from "@effect/vitest"
import { Local, Memory, StorePath } from "@sennit/store"
import type { Store } from "@sennit/store"
import { Array as Arr, Chunk, Effect, FastCheck as fc, Order, Stream } from "effect"
import { tempFolder } from "./support/tempFolder.ts"

vi.setConfig({ testTimeout: 0 })

type Mode = "create" | "overwrite"
type Step =
  | { readonly step: "write"; readonly key: string; readonly body: string; readonly mode: Mode }
  | { readonly step: "read" | "delete" | "exists"; readonly key: string }
  | { readonly step: "move" | "copy"; readonly key: string; readonly to: string; readonly mode: Mode }
  | { readonly step: "list"; readonly key: string }

const key = fc.constantFrom("a", "b", "a/a", "a/b", "a/b/c", "a-", "a/é", "\u{1f600}/\u{ff5e}")
const mode = fc.constantFrom<Mode>("create", "overwrite")
const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.oneof(
    fc.record({ step: fc.constant("write" as const), key, body: fc.string({ maxLength: 5 }), mode }),
    fc.record({ step: fc.constantFrom("read" as const, "delete" as const, "exists" as const), key }),
    fc.record({ step: fc.constantFrom("move" as const, "copy" as const), key, to: key, mode }),
    fc.record({ step: fc.constant("list" as const), key: fc.oneof(key, fc.constant("")) })
  ),
  { minLength: 5, maxLength: 40 }
)

/** The contract over a plain map: what each step answers, and what it leaves. */
const model = (objects: Map<string, string>, step: Step): unknown => {
  const isFolder = (path: string) => [...objects.keys()].some((other) => other.startsWith(`${path}/`))
  const isBelowObject = (path: string) => [...objects.keys()].some((other) => path.startsWith(`${other}/`))
  const source = (path: string) => (isFolder(path) ? "IsFolder" : objects.has(path) ? undefined : "NotFound")
  const target = (path: string, wanted: Mode) =>
    isFolder(path)
      ? "IsFolder"
      : isBelowObject(path)
      ? "AncestorIsObject"
      : wanted === "create" && objects.has(path)
      ? "AlreadyExists"
      : undefined
  switch (step.step) {
    case "write": {
      const refusal = target(step.key, step.mode)
      if (refusal === undefined) objects.set(step.key, step.body)
      return refusal
    }
    case "read":
      return source(step.key) ?? `=${objects.get(step.key)}`
    case "exists":
      return objects.has(step.key) || isFolder(step.key)
    case "delete": {
      const refusal = source(step.key)
      if (refusal === undefined) objects.delete(step.key)
      return refusal
    }
    case "list": {
      const below = [...objects.keys()].filter((path) => step.key === "" || path.startsWith(`${step.key}/`))
      return Arr.sort(below, Order.make<string>(StorePath.compare))
    }
    default: {
      const refusal = source(step.key) ?? (step.key === step.to ? undefined : target(step.to, step.mode))
      if (refusal === undefined && step.key !== step.to) {
        objects.set(step.to, objects.get(step.key) ?? "")
        if (step.step === "move") objects.delete(step.key)
      }
      return refusal
    }
  }
}

const real = (store: Store.StoreOf<Store.Common>, step: Step): Effect.Effect<unknown> => {
  const run = (): Effect.Effect<unknown, { readonly _tag: string; readonly reason?: unknown }> => {
    switch (step.step) {
      case "write":
        return Effect.asVoid(store.write(step.key, step.body, { mode: step.mode }))
      case "read":
        return Effect.map(store.readText(step.key), (text) => `=${text}`)
      case "exists":
        return store.exists(step.key)
      case "delete":
        return store.delete(step.key)
      case "list":
        return Effect.map(
          Stream.runCollect(store.list(step.key, { recursive: true })),
          (entries) => Chunk.toReadonlyArray(entries).map((entry) => entry.key)
        )
      default:
        return Effect.asVoid(store[step.step](step.key, step.to, { mode: step.mode }))
    }
  }
  return Effect.catchAll(run(), (error) => Effect.succeed(error.reason ?? error._tag))
}

const check = (store: Store.StoreOf<Store.Common>, sequence: ReadonlyArray<Step>) =>
  Effect.gen(function*() {
    const objects = new Map<string, string>()
    for (const step of sequence) {
      const expected = model(objects, step)
      expect([step, yield* real(store, step)]).toEqual([step, expected])
    }
  })

describe("any sequence of operations does what it does to a map", () => {
  it.effect.prop(
    "on Memory",
    [steps],
    ([sequence]) => Effect.flatMap(Memory.make(), (store) => check(store, sequence)),
    {
      fastCheck: { numRuns: 200 }
    }
  )

  it.effect.prop(
    "on Local",
    [steps],
    ([sequence]) =>
      tempFolder.pipe(
        Effect.flatMap((root) => Local.make({ root })),
        Effect.flatMap((store) => check(store, sequence)),
        Effect.scoped
      ),
    { fastCheck: { numRuns: 100 } }
  )
})
