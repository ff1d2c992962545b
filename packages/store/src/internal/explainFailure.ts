/** Failures of remote backends in words of our own: what their clients throw can hold requests with secrets. */
import * as Data from "effect/Data"
import * as Driver from "../Driver.ts"
import type { Key } from "../StorePath.ts"

/** @internal The cause of a failure: what it means, and what is known of it. */
export class Explanation extends Data.TaggedError("@sennit/store/Explanation")<{
  readonly condition: Driver.Condition
  readonly message: string
}> {}

/** @internal */
export const explain = (condition: Driver.Condition, message: string, key?: Key): Driver.Failure =>
  new Driver.Failure({ cause: new Explanation({ condition, message }), ...(key === undefined ? {} : { key }) })

/** @internal For drivers whose every failure is explained. */
export const classifyExplained = (cause: unknown): Driver.Condition =>
  cause instanceof Explanation ? cause.condition : { _tag: "Unavailable", reason: "Io", retryable: false }

/** @internal Whether a failure was explained, or refused, as this. */
export const means = (failure: Driver.Failure, tag: Driver.Condition["_tag"]): boolean =>
  (failure.cause instanceof Explanation || failure.cause instanceof Driver.Refusal) &&
  failure.cause.condition._tag === tag

/** @internal The code that node gives an error, such as `ECONNREFUSED`; of the innermost cause that has one. */
export const codeOf = (error: unknown): string | undefined => {
  if (typeof error !== "object" || error === null) return undefined
  const inner = "cause" in error ? codeOf(error.cause) : undefined
  if (inner !== undefined) return inner
  return "code" in error && typeof error.code === "string" ? error.code : undefined
}
