/** Whether a backend keeps what it declares, found out by trying. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Capability } from "../Capability.ts"
import type * as Driver from "../Driver.ts"
import type { Key } from "../StorePath.ts"
import { conditionOf } from "./kernel.ts"

const attributes = { contentType: Option.none<string>(), metadata: {} }

/** @internal The declared capabilities that it does not keep. */
export const probeDriver = (
  driver: Driver.Driver,
  scratch: Key
): Effect.Effect<ReadonlyArray<Capability>, Driver.Failure> => {
  if (driver.probe !== undefined) return driver.probe(scratch)
  const { delete: remove, put } = driver
  if (put === undefined) return Effect.succeed([])
  const write = (mode: Driver.Mode, ...bytes: ReadonlyArray<number>) =>
    put<never, never>(scratch, Uint8Array.of(...bytes), { mode, attributes })
  const tidy = Effect.ignore(Effect.suspend(() => remove?.(scratch, { ifMatch: undefined }) ?? Effect.void))
  return Effect.ensuring(
    Effect.gen(function*() {
      const stale = (yield* write("overwrite", 1, 2, 3)).etag
      yield* write("overwrite", 4, 5, 6)
      const trials: ReadonlyArray<readonly [Capability, Effect.Effect<boolean, Driver.Failure>]> = [
        ["createIfAbsent", refuses(driver, "AlreadyExists", write("create", 7))],
        ["replaceIfMatch", refuses(driver, "PreconditionFailed", write({ ifMatch: stale }, 8))],
        ["readIfMatch", refuses(driver, "PreconditionFailed", get(driver, scratch, { ifMatch: stale }))],
        ["range", Effect.map(get(driver, scratch, { range: { offset: 0, length: 0 } }), ({ size }) => size === 0)],
        [
          "deleteIfMatch",
          refuses(
            driver,
            "PreconditionFailed",
            Effect.suspend(() => remove?.(scratch, { ifMatch: stale }) ?? Effect.void)
          )
        ]
      ]
      const ignored: Array<Capability> = []
      for (const [capability, isKept] of trials) {
        if (driver.capabilities.has(capability) && !(yield* isKept)) ignored.push(capability)
      }
      return ignored
    }),
    tidy
  )
}

const get = (driver: Driver.Driver, key: Key, options: Partial<Driver.GetOptions>) =>
  Effect.scoped(driver.get(key, { range: options.range, ifMatch: options.ifMatch }))

const refuses = <A>(
  driver: Driver.Driver,
  expected: Driver.Condition["_tag"],
  attempt: Effect.Effect<A, Driver.Failure>
): Effect.Effect<boolean, Driver.Failure> =>
  Effect.flatMap(Effect.either(attempt), (outcome) => {
    if (Either.isRight(outcome)) return Effect.succeed(false)
    const { _tag } = conditionOf(driver, outcome.left)
    if (_tag === expected) return Effect.succeed(true)
    return _tag === "NotSupported" ? Effect.succeed(false) : Effect.fail(outcome.left)
  })
