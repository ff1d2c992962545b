import * as Effect from "effect/Effect"

/** @internal An id that nobody can guess. */
export const makeRunId: Effect.Effect<string> = Effect.sync(() => crypto.randomUUID())
