/**
 * What a store reads from the environment.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { Options } from "./Local.ts"

/**
 * `STORE_ROOT` (required) and `STORE_DURABILITY` (`none` or `fsync`, default `none`) of a local store.
 *
 * @since 0.1.0
 * @category config
 */
export const local: Config.Config<Options> = Config.all({
  root: Config.string("STORE_ROOT"),
  durability: Config.literal("none", "fsync")("STORE_DURABILITY").pipe(Config.withDefault("none"))
})
