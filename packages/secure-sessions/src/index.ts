/**
 * @since 0.1.0
 */
export * as Aad from "./Aad.ts"
export * as DataKeys from "./DataKeys.ts"
export * as Encryption from "./Encryption.ts"
export * as Envelope from "./Envelope.ts"
export * as Erasure from "./Erasure.ts"
export * as Integrity from "./Integrity.ts"
export * as KeyProvider from "./KeyProvider.ts"
export * as KeyRotation from "./KeyRotation.ts"
export * as SecureSessions from "./SecureSessions.ts"
export * as SecureSessionsConfig from "./SecureSessionsConfig.ts"
export * as SecureSessionsError from "./SecureSessionsError.ts"
export * as Session from "./Session.ts"
export * as SessionService from "./SessionService.ts"
export * as Suite from "./Suite.ts"
export * as Telemetry from "./Telemetry.ts"
