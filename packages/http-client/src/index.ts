/**
 * @since 0.1.0
 */

export * as AddressPolicy from "./AddressPolicy.ts"
export * as Auth from "./Auth.ts"
export * as Connection from "./Connection.ts"
export * as ConnectionPool from "./ConnectionPool.ts"
export * as ContentCoding from "./ContentCoding.ts"
export * as CookieJar from "./CookieJar.ts"
export * as Digest from "./Digest.ts"
export * as EventSource from "./EventSource.ts"
export * as Http1 from "./Http1.ts"
export * as HttpConfig from "./HttpConfig.ts"
export * as HttpError from "./HttpError.ts"
export * as NetHttpClient from "./NetHttpClient.ts"
export * as Redirect from "./Redirect.ts"
export * as Retry from "./Retry.ts"
export * as Session from "./Session.ts"
export * as SetCookie from "./SetCookie.ts"
export * as Sse from "./Sse.ts"
export * as Telemetry from "./Telemetry.ts"
