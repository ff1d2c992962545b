// @effect-diagnostics anyUnknownInErrorContext:off the cases apply to operations whatever their types
/**
 * The part of the contract that the table of operations says by itself.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { operations } from "../Operations.ts"
import type { OperationSpec } from "../Operations.ts"
import { define, expectFailure, expectSame, pattern } from "./Case.ts"
import type { Conformance } from "./Case.ts"

const isStream = (value: unknown): value is Stream.Stream<unknown, unknown> =>
  typeof value === "object" && value !== null && Stream.StreamTypeId in value

const isSink = (value: unknown): value is Sink.Sink<unknown, Uint8Array, unknown, unknown> =>
  typeof value === "object" && value !== null && Sink.SinkTypeId in value

const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> => Effect.isEffect(value)

/** Calls an operation by its row, every key of it `a`, and runs what it answers with. */
const callByRow = (store: object, operation: string, spec: OperationSpec, options: object) =>
  Effect.scoped(Effect.suspend((): Effect.Effect<unknown, unknown> => {
    const method: unknown = Reflect.get(store, operation)
    if (typeof method !== "function") return Effect.fail(`there is no ${operation}`)
    const answer: unknown = method(
      ...spec.arguments.map((role) => role === "options" ? options : role === "body" ? pattern(1) : "a")
    )
    if (isEffect(answer)) return answer
    if (isStream(answer)) return Stream.runDrain(answer)
    return isSink(answer) ? Stream.run(Stream.make(pattern(1)), answer) : Effect.fail(`${operation} answered oddly`)
  }))

/**
 * One case for every option in the table: a store that does not offer what the option needs refuses it.
 *
 * @since 0.1.0
 * @category conformance
 */
export const gates: ReadonlyArray<Conformance> = Object.entries<OperationSpec>(operations).flatMap((
  [operation, spec]
) =>
  Object.entries(spec.gates).flatMap(([option, gate]) =>
    gate === "mode" ? [] : [
      define({
        name: `${operation} refuses ${option} where ${gate} is not offered`,
        uses: ["write", "exists"],
        also: spec.needs,
        lacks: [gate],
        run: (store) =>
          Effect.gen(function*() {
            const given = { mode: "overwrite", [option]: gate === "range" ? { offset: 0 } : "x" }
            const refused = callByRow(store, operation, spec, given)
            yield* expectFailure(`${operation} with ${option}`, refused, "CapabilityNotSupported")
            yield* expectSame("whether anything was written", yield* store.exists("a"), false)
          })
      })
    ]
  )
)
