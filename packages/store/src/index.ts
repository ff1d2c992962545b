/**
 * @since 0.1.0
 */
export * as Azure from "./Azure.ts"
/**
 * @since 0.1.0
 */
export * as Backend from "./Backend.ts"
/**
 * @since 0.1.0
 */
export * as Capability from "./Capability.ts"
/**
 * @since 0.1.0
 */
export * as Driver from "./Driver.ts"
/**
 * @since 0.1.0
 */
export * as Entry from "./Entry.ts"
/**
 * @since 0.1.0
 */
export * as Http from "./Http.ts"
/**
 * @since 0.1.0
 */
export * as Interceptor from "./Interceptor.ts"
/**
 * @since 0.1.0
 */
export * as StorePath from "./StorePath.ts"
/**
 * @since 0.1.0
 */
export * as Layers from "./Layers.ts"
/**
 * @since 0.1.0
 */
export * as Local from "./Local.ts"
/**
 * @since 0.1.0
 */
export * as Memory from "./Memory.ts"
/**
 * @since 0.1.0
 */
export * as Operations from "./Operations.ts"
/**
 * @since 0.1.0
 */
export * as Registry from "./Registry.ts"
/**
 * @since 0.1.0
 */
export * as Sftp from "./Sftp.ts"
/**
 * @since 0.1.0
 */
export * as S3 from "./S3.ts"
/**
 * @since 0.1.0
 */
export * as S3Signature from "./S3Signature.ts"
/**
 * @since 0.1.0
 */
export * as Store from "./Store.ts"
/**
 * @since 0.1.0
 */
export * as StoreConfig from "./StoreConfig.ts"
/**
 * @since 0.1.0
 */
export * as StoreError from "./StoreError.ts"
/**
 * @since 0.1.0
 */
export * as Telemetry from "./Telemetry.ts"
/**
 * @since 0.1.0
 */
export * as Transfer from "./Transfer.ts"
/**
 * @since 0.1.0
 */
export * as View from "./View.ts"
