/**
 * For tests: a scripted server that speaks raw bytes over real sockets, a proxy that makes trouble, a client without a
 * network, recorded exchanges, and the behaviour that every client of this package must have, as data.
 *
 * @since 0.1.0
 */
export { type ContractCase, contractCases } from "./clientContract.ts"
export { type FaultChances, type FaultPlan, randomFaults } from "./faultPlan.ts"
export { type FaultProxy, type FaultProxyOptions, type FaultProxyStats, make as faultProxy } from "./faultProxy.ts"
export * as MockHttpClient from "./MockHttpClient.ts"
export {
  ConnectionEnded,
  make as rawServer,
  type RawConnection,
  type RawRequest,
  type RawServer,
  type RawServerOptions
} from "./rawServer.ts"
export * as Recorder from "./Recorder.ts"
export * as Recording from "./Recording.ts"
