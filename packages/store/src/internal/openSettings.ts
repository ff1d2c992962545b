/** From settings to a store: a driver is loaded when it is opened, so that nobody waits for another's client. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoreOf } from "../Store.ts"
import type { Settings } from "../StoreConfig.ts"
import type { StoreError } from "../StoreError.ts"

/** @internal */
export const openSettings = (
  settings: Settings
): Effect.Effect<StoreOf<never>, StoreError, Scope.Scope | HttpClient.HttpClient> => {
  switch (settings.driver) {
    case "memory":
      return Effect.flatMap(Effect.promise(() => import("../Memory.ts")), (driver) => driver.make())
    case "local":
      return Effect.flatMap(Effect.promise(() => import("../Local.ts")), (driver) => driver.make(settings))
    case "s3":
      return Effect.flatMap(Effect.promise(() => import("../S3.ts")), (driver) => driver.make(settings))
    case "sftp":
      return Effect.flatMap(Effect.promise(() => import("../Sftp.ts")), (driver) => driver.makeBasic(settings))
    case "azure":
      return Effect.flatMap(Effect.promise(() => import("../Azure.ts")), (driver) => driver.make(settings))
    case "http":
      return Effect.flatMap(Effect.promise(() => import("../Http.ts")), (driver) => driver.make(settings))
  }
}
