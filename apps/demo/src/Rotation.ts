/** Changing the key while conversations go on, and what is under which key. */
import { KeyRotation } from "@sennit/secure-sessions"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { KeyStatus } from "./Api.ts"
import { RotationRefused, StorageFailed } from "./ApiError.ts"
import { Keys } from "./Keys.ts"
import { failed } from "./StorageProblem.ts"

export class Rotation extends Context.Tag("@sennit/demo/Rotation")<Rotation, {
  readonly status: Effect.Effect<KeyStatus, StorageFailed>
  /** May be stopped at any moment, and goes on when it is called again. */
  readonly rotate: Effect.Effect<KeyStatus, StorageFailed | RotationRefused>
}>() {}

const make = Effect.gen(function*() {
  const keys = yield* Keys
  const rotation = yield* KeyRotation.KeyRotation

  const status = Effect.gen(function*() {
    const listed = yield* keys.list
    const found = yield* Effect.mapError(rotation.status, failed)
    const ofFile = listed.filter(({ id }) => !found.keys.some(({ kekId }) => kekId === id))
    return new KeyStatus({
      source: keys.source,
      canRotate: listed.length > 0,
      keys: [
        ...found.keys.map(({ active, isPrimary, kekId, retired, shredded }) => {
          const inFile = listed.find(({ id }) => id === kekId)
          return {
            id: kekId,
            isPrimary,
            isKnown: listed.length === 0 ? isPrimary : inFile !== undefined,
            createdAt: Option.getOrNull(
              Option.map(
                Option.flatMap(Option.fromNullable(inFile), ({ createdAt }) => createdAt),
                DateTime.toEpochMillis
              )
            ),
            dataKeys: active + retired,
            destroyed: shredded
          }
        }),
        ...ofFile.map(({ createdAt, id }, at) => ({
          id,
          isPrimary: id === listed[0]?.id && at === 0,
          isKnown: true,
          createdAt: Option.getOrNull(Option.map(createdAt, DateTime.toEpochMillis)),
          dataKeys: 0,
          destroyed: 0
        }))
      ],
      records: found.records.reduce((sum, { records }) => sum + records, 0)
    })
  })

  const rewrap = Effect.mapError(
    Stream.runDrain(rotation.rewrapAll),
    (error) =>
      new StorageFailed({ detail: `${error.message} Both keys are kept and everything can be read; rotate again.` })
  )
  const needed = Effect.map(
    Effect.mapError(rotation.status, failed),
    (found) => new Set(found.keys.filter(({ active, retired }) => active + retired > 0).map(({ kekId }) => kekId))
  )

  return Rotation.of({
    status,
    rotate: Effect.zipRight(
      keys.replace(rewrap, needed).pipe(
        Effect.catchTags({
          FolderInUse: (error) => Effect.fail(new RotationRefused({ reason: "FolderInUse", detail: error.message })),
          DataFolderError: (error) => Effect.fail(failed(error)),
          ConfigurationError: (error) => Effect.fail(failed(error))
        })
      ),
      status
    )
  })
})

export const layer: Layer.Layer<Rotation, never, Keys | KeyRotation.KeyRotation> = Layer.effect(Rotation, make)
