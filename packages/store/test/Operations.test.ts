// @effect-diagnostics asyncFunction:off nodeBuiltinImport:off the README is compared as a file; promises are awaited
import { describe, expect, it } from "@effect/vitest"
import { Capability, Operations, StoreError, Telemetry } from "@sennit/store"
import type { Interceptor, Store } from "@sennit/store"
import { conformance, derive } from "@sennit/store/testing"
import { Effect, Metric, Stream } from "effect"
import * as Fs from "node:fs"

const table = {
  ...Operations.operations,
  shout: {
    needs: ["write", "metadata"],
    kind: "effect",
    arguments: ["key", "options"],
    gates: { loud: "copy" },
    changes: "keys",
    cacheable: false
  },
  echo: {
    needs: ["read"],
    kind: "stream",
    arguments: ["key", "body"],
    gates: {},
    changes: "nothing",
    cacheable: false
  },
  linger: {
    needs: ["read"],
    kind: "scoped",
    arguments: ["key"],
    gates: {},
    changes: "nothing",
    cacheable: false
  }
} as const satisfies Operations.OperationTable

const shout = (path: unknown) => Effect.succeed(`${String(path)}!`)
const isStream = (value: unknown): value is Stream.Stream<unknown> =>
  typeof value === "object" && value !== null && Stream.StreamTypeId in value
const echo = (_path: unknown, body: unknown) =>
  isStream(body) ? body : body instanceof Uint8Array ? Stream.make(body) : Stream.empty
const lingering = new Set<string>()
const linger = (path: unknown) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => lingering.add(String(path))),
      () => Effect.sync(() => lingering.delete(String(path)))
    ),
    (paths) => ({ path, count: Effect.sync(() => paths.size), repeat: (times: unknown) => Effect.succeed(times) })
  )

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.iterator in value

/** Calls a member whose type the table does not say. */
const member = (value: unknown, name: string | symbol, ...args: ReadonlyArray<unknown>): unknown => {
  const own: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined
  return typeof own === "function" ? Reflect.apply(own, value, args) : `there is no ${String(name)}`
}

const make = (
  capabilities: ReadonlyArray<Capability.Capability>,
  interceptors: ReadonlyArray<Interceptor.Interceptor> = []
) => derive({ table, capabilities: new Set(capabilities), methods: { shout, echo, linger }, interceptors })

const cells = (text: string) =>
  text.split("\n").filter((line) => line.startsWith("|")).map((line) =>
    line.split("|").map((cell) => cell.trim().replace(/^-+$/, "-"))
  )

describe("the operation table", () => {
  it.effect("an operation added to it reaches every derived surface", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const { methods, promises } = make(["read", "write", "metadata"], [{
        effect: (call, next) => Effect.zipRight(Effect.sync(() => seen.push(call.operation)), next)
      }])
      // the view
      expect(Object.keys(methods)).toEqual(["shout", "echo", "linger"])
      expect(Object.keys(make(["read", "write"]).methods)).toEqual(["echo", "linger"])
      // the interceptor and the Promise facade
      expect(yield* Effect.promise(() => Promise.resolve(promises["shout"]?.("hey")))).toBe("hey!")
      expect(seen).toEqual(["shout"])
      // the gate
      yield* Effect.promise(() =>
        expect(promises["shout"]?.("hey", { loud: true })).rejects.toMatchObject({
          _tag: "CapabilityNotSupported",
          capability: "copy"
        })
      )
      expect(seen).toEqual(["shout"])
      // the metric
      const { attribute, operationCount } = Telemetry
      const counted = operationCount.pipe(
        Metric.tagged(attribute.backend, "derived"),
        Metric.tagged(attribute.operation, "shout"),
        Metric.tagged(attribute.outcome, "success")
      )
      expect((yield* Metric.value(counted)).count).toBe(1)
      // the span's name and the matrix
      expect(Operations.spanName("shout")).toBe("Store.shout")
      expect(Operations.matrix(table)).toContain("| `shout` | `write`, `metadata` | `loud`: `copy` |")
    }))

  it("an operation added to it reaches the protocol of the worker and the blocking facade, by its kind", () => {
    const { blocking } = make(["read", "write", "metadata"])
    expect(Object.keys(blocking)).toEqual(expect.arrayContaining(["shout", "echo", "linger"]))
    expect(Object.keys(make(["read", "write"]).blocking)).not.toContain("shout")
    // an effect, with its gate
    expect(blocking["shout"]?.("hey")).toBe("hey!")
    expect(() => blocking["shout"]?.("hey", { loud: true })).toThrow(StoreError.CapabilityNotSupported)
    // a stream, whose body is pulled from an iterable
    const echoed = blocking["echo"]?.("a", [new Uint8Array([1]), new Uint8Array([2])])
    expect(isIterable(echoed) && Array.from(echoed)).toEqual([new Uint8Array([1]), new Uint8Array([2])])
    // something scoped, with its members
    const lingers = blocking["linger"]?.("b")
    expect(lingers).toMatchObject({ path: "b" })
    expect(lingering).toEqual(new Set(["b"]))
    expect([member(lingers, "count"), member(lingers, "repeat", 3)]).toEqual([1, 3])
    member(lingers, Symbol.dispose)
    expect(lingering.size).toBe(0)
  })

  it("an operation added to it reaches the promises, by its kind", async () => {
    const { promises } = make(["read", "write", "metadata"])
    const lingers: unknown = await promises["linger"]?.("c")
    expect(await member(lingers, "count")).toBe(1)
    await member(lingers, Symbol.asyncDispose)
    expect(lingering.size).toBe(0)
  })

  it("is the README's matrix", () => {
    const readme = Fs.readFileSync(new URL("../README.md", import.meta.url), "utf8")
    const rows = new Set(cells(readme).map(String))
    expect(cells(Operations.matrix(Operations.operations)).filter((row) => !rows.has(String(row)))).toEqual([])
    for (const operation of Object.keys(Operations.operations)) expect(readme).toContain(`\`${operation}\``)
  })

  it("names only capabilities that exist, and each is used by an operation, an option or the contract", () => {
    const specs = Object.values<Operations.OperationSpec>(Operations.operations)
    const gates = specs.flatMap((spec) => Object.values(spec.gates)).filter((gate) => gate !== "mode")
    const used = new Set<string>([
      ...specs.flatMap(({ needs }) => needs),
      ...gates,
      ...conformance.flatMap(({ needs }) => needs)
    ])
    expect([...used].filter((name) => !Capability.all.some((capability) => capability === name))).toEqual([])
    expect(Capability.all.filter((capability) => !used.has(capability))).toEqual([])
  })

  it("is used whole by the contract", () => {
    const used = new Set<string>(conformance.flatMap(({ needs }) => needs))
    for (const [operation, { needs }] of Object.entries(Operations.operations)) {
      expect([operation, needs.every((need) => used.has(need))]).toEqual([operation, true])
    }
  })

  it("the type of the view has exactly the operations of its capabilities", () => {
    type View = keyof Store.StoreOf<"list"> & Operations.Operation
    const all: { readonly [K in View]: true } = { folderInfo: true, list: true, glob: true, ping: true }
    const derived = Object.entries<Operations.OperationSpec>(Operations.operations).flatMap(([name, { needs }]) =>
      needs.every((need) => need === "list") ? [name] : []
    )
    expect(Object.keys(all)).toEqual(derived)
    expect(StoreError.InvalidPathReason.literals.length).toBeGreaterThan(0)
  })
})
