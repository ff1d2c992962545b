/**
 * A scripted server that speaks raw bytes over real sockets, and the behaviour that every client of this package must
 * have, as data.
 *
 * @since 0.1.0
 */
export { type ContractCase, contractCases } from "./clientContract.ts"
export {
  ConnectionEnded,
  make as rawServer,
  type RawConnection,
  type RawRequest,
  type RawServer,
  type RawServerOptions
} from "./rawServer.ts"
