/** The operations that remove objects. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Driver from "../Driver.ts"
import type { DeleteReport, Operations } from "../Operations.ts"
import * as E from "../StoreError.ts"
import { refused, relative } from "./kernel.ts"
import type { Kernel, Place } from "./kernel.ts"
import { listing } from "./listObjects.ts"

/** How many deletes run at once where the backend has no request for many. */
const inFlight = 8

/** @internal */
export const deleteObjects = (kernel: Kernel): Pick<Operations, "delete" | "deleteMany" | "deleteFolder"> => {
  const { driver } = kernel
  return {
    delete: (path, options) =>
      Effect.gen(function*() {
        if (driver.delete === undefined) return yield* refused(driver, "delete", "delete")
        const source = yield* kernel.locate("delete", path)
        yield* kernel.guard(
          { operation: "delete", source },
          driver.delete(source.key, { ifMatch: options?.ifMatch })
        )
      }).pipe(
        Effect.catchTag("NotFound", (error) => options?.missingOk === true ? Effect.void : Effect.fail(error))
      ),
    deleteMany: <X, R>(paths: Iterable<string> | Stream.Stream<string, X, R>) =>
      Stream.runFoldEffect(
        Stream.grouped(isStream(paths) ? paths : Stream.fromIterable(paths), driver.deleteMany?.limit ?? 100),
        nothing,
        (report, group) =>
          Effect.map(deleteGroup(kernel, Chunk.toReadonlyArray(group)), (failures) => ({
            gone: report.gone + group.length - failures.length,
            failures: [...report.failures, ...failures]
          }))
      ),
    deleteFolder: (path, options = {}) =>
      deleteFolder(kernel, path, options.recursive ?? false).pipe(
        Effect.catchTag("NotFound", (error) => options.missingOk === true ? Effect.void : Effect.fail(error))
      )
  }
}

const nothing: DeleteReport = { gone: 0, failures: [] }

const isStream = <X, R>(
  paths: Iterable<string> | Stream.Stream<string, X, R>
): paths is Stream.Stream<string, X, R> => typeof paths === "object" && Stream.StreamTypeId in paths

type Failures = ReadonlyArray<E.StoreError>

const deleteGroup = (kernel: Kernel, paths: ReadonlyArray<string>): Effect.Effect<Failures> => {
  const located = paths.map((path) => kernel.locate("deleteMany", path))
  const refusals = located.filter(Either.isLeft).map(({ left }) => left)
  const places = located.filter(Either.isRight).map(({ right }) => right)
  return Effect.map(deletePlaces(kernel, "deleteMany", places), (failures) => [...refusals, ...failures])
}

const deletePlaces = (
  kernel: Kernel,
  operation: string,
  places: ReadonlyArray<Place>
): Effect.Effect<Failures> => {
  const { driver } = kernel
  const { delete: remove, deleteMany } = driver
  const settle = (source: Place, effect: Effect.Effect<void, Driver.Failure>) =>
    Effect.match(kernel.guard({ operation, source }, effect), {
      onSuccess: (): Failures => [],
      onFailure: (error): Failures => error._tag === "NotFound" ? [] : [error]
    })
  if (deleteMany !== undefined && places.length > 0) {
    return Effect.flatMap(Effect.either(deleteMany.run(places.map(({ key }) => key))), (answer) =>
      Effect.map(
        Effect.forEach(places, (place) => {
          const failure = Either.isLeft(answer) ? answer.left : answer.right.find(({ key }) => key === place.key)
          return failure === undefined ? Effect.succeed<Failures>([]) : settle(place, failure)
        }),
        (failures) => failures.flat()
      ))
  }
  return Effect.map(
    Effect.forEach(places, (place) =>
      settle(
        place,
        Effect.suspend((): Effect.Effect<void, Driver.Failure> =>
          remove?.(place.key, { ifMatch: undefined }) ?? Effect.void
        )
      ), { concurrency: inFlight }),
    (failures) => failures.flat()
  )
}

const deleteFolder = (kernel: Kernel, path: string, recursive: boolean): Effect.Effect<void, E.StoreError> =>
  Effect.gen(function*() {
    const { base, driver } = kernel
    const operation = "deleteFolder"
    const source = yield* kernel.locate(operation, path)
    const call = { operation, source }
    const where = { path: source.path, backend: driver.name, operation }
    const node = yield* kernel.guard(call, driver.stat(source.key))
    if (node._tag === "Object") return yield* new E.NotFound(where)
    const { pages } = listing(kernel, operation, path)
    const entries = pages(source.key, { recursive })
    if (recursive) {
      yield* Stream.runForEach(Stream.grouped(entries, driver.deleteMany?.limit ?? 100), (group) => {
        const places = Chunk.toReadonlyArray(group).map(({ key }) => ({ key, path: relative(base, key) }))
        return Effect.flatMap(
          deletePlaces(kernel, operation, places),
          ([first]): Effect.Effect<void, E.StoreError> => first === undefined ? Effect.void : Effect.fail(first)
        )
      })
    } else if (Option.isSome(yield* Stream.runHead(entries))) return yield* new E.DirectoryNotEmpty(where)
    if (driver.removeFolder !== undefined) yield* kernel.guard(call, driver.removeFolder(source.key))
  })
