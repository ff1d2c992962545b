/** What the types of a store become for code without Effect. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { AzureCapability } from "../Azure.ts"
import type { Capability } from "../Capability.ts"
import type { HttpCapability } from "../Http.ts"
import type { LocalCapability } from "../Local.ts"
import type { MemoryCapability } from "../Memory.ts"
import type { S3Capability } from "../S3.ts"
import type { BasicCapability } from "../Sftp.ts"
import type { Settings } from "../StoreConfig.ts"

interface CapabilityByDriver {
  readonly memory: MemoryCapability
  readonly local: LocalCapability
  readonly s3: S3Capability
  readonly sftp: BasicCapability
  readonly azure: AzureCapability
  readonly http: HttpCapability
}

/** @internal What every store of a driver offers. */
export type CapabilityOf<D extends Settings["driver"]> = CapabilityByDriver[D] & Capability

/** @internal Streams that are given become iterables `I`. */
export type Given<Args extends ReadonlyArray<unknown>, I extends "async" | "sync"> = {
  readonly [P in keyof Args]: Args[P] extends infer A ?
    (A extends Stream.Stream<infer B, infer _E, infer _R> ? I extends "async" ? AsyncIterable<B> : Iterable<B>
      : A)
    : never
}

/** @internal What an Effect succeeds with. */
export type Success<X> = X extends Effect.Effect<infer A, infer _E, infer _R> ? A : never

/** @internal What a Stream has. */
export type Element<X> = X extends Stream.Stream<infer A, infer _E, infer _R> ? A : never
