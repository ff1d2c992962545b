/**
 * How the answer of a model's server is read.
 *
 * @since 0.1.0
 */
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * A body that is read once, piece by piece.
 *
 * @since 0.1.0
 * @category models
 */
export interface Body {
  /** Gives `take` the pieces as they arrive until it answers false or the body ends; says whether there may be more. */
  readonly read: (
    take: (pieces: ReadonlyArray<Uint8Array>) => boolean
  ) => Effect.Effect<boolean, HttpClientError>
  /** Whether it is known that nothing comes any more, without waiting for it. */
  readonly isOver: () => boolean
  /** Gives up what was not read; does nothing after the end. */
  readonly leave: Effect.Effect<void>
}

/**
 * A stream as a body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromStream = (stream: Stream.Stream<Uint8Array, HttpClientError>): Effect.Effect<Body> =>
  Effect.flatMap(Scope.make(), (scope) =>
    Effect.map(
      Scope.extend(Stream.toPull(stream), scope),
      (pull): Body => ({
        read: (take) => {
          const read: Effect.Effect<boolean, HttpClientError> = Effect.matchEffect(pull, {
            onFailure: Option.match({ onNone: () => Effect.succeed(false), onSome: Effect.fail }),
            onSuccess: (pieces) => take(Chunk.toReadonlyArray(pieces)) ? read : Effect.succeed(true)
          })
          return read
        },
        isOver: () => false,
        leave: Scope.close(scope, Exit.void)
      })
    ))

/**
 * Reads the body of a response. Default: its stream, which every `HttpClient`
 * has; `NetBodyReader.layer` does it with less work over `@sennit/http-client`.
 *
 * @since 0.1.0
 * @category services
 */
export class BodyReader extends Context.Reference<BodyReader>()("@sennit/agent/BodyReader", {
  defaultValue: () => (response: HttpClientResponse): Effect.Effect<Body> => fromStream(response.stream)
}) {}
