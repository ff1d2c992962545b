/**
 * What `SessionService.eraseUser` and `SessionService.exportUser` answer.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { AppName, Json, SecretName, Session, SessionEvent, SessionRef, State, UserId } from "./Session.ts"

/**
 * What was destroyed. In SQLite the data key and the rows are overwritten in the file and its journal is empty; backups
 * and copies of the file are not reached, and PostgreSQL keeps the wrapped key in its files until it reuses them.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErasureReceipt {
  readonly app: AppName
  readonly user: UserId
  /** Hexadecimal id of the destroyed data key; none when the user never had one. */
  readonly keyId: Option.Option<string>
  /** Of the first erasure, when there were several. */
  readonly time: DateTime.Utc
  readonly sessions: number
  readonly events: number
}

/**
 * One piece of all that is stored of a user: the shared state first, then each session and its events by sequence.
 *
 * @category models
 * @since 0.1.0
 */
export type ExportRecord =
  | { readonly _tag: "UserState"; readonly state: State }
  | {
    readonly _tag: "Session"
    /** Without its events. */
    readonly session: Session
    readonly secrets: { readonly [name: SecretName]: Redacted.Redacted<Json> }
  }
  | { readonly _tag: "Event"; readonly ref: SessionRef; readonly event: SessionEvent }
