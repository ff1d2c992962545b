/**
 * The chain of a history. Each event carries a link, a MAC over the link before it, its position, its id and its
 * content; the session row carries the last link and a MAC over it with revision and count. Links cover content, not
 * ciphertext, so that an event may be sealed again without a change to the chain.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Aad from "../Aad.ts"
import type { DataKeys, LiveKey } from "../DataKeys.ts"
import { DecryptionError, IntegrityViolation } from "../SecureSessionsError.ts"
import type { SessionRef } from "../Session.ts"
import { hmac, isEqual } from "./deriveKey.ts"
import type { ChainedHeadRow, HeadRow } from "./sessionRows.ts"

/** With an envelope around it an event stays within 64 bytes over its content. */
const linkLength = 12

/** The end of a chain. @internal */
export interface ChainHead {
  readonly link: Uint8Array
  readonly head: Uint8Array
}

/** What one event adds to the chain, apart from its place. @internal */
export interface Link {
  readonly sequence: number
  readonly eventId: string
  readonly digest: Uint8Array
}

type Position = Pick<HeadRow, "create_time" | "revision" | "event_count">

/** The MACs of one session under a live key. @internal */
export class ChainMac {
  readonly #key: Uint8Array
  readonly #ref: SessionRef

  constructor(key: LiveKey, ref: SessionRef) {
    this.#key = key.derive("chain", 32)
    this.#ref = ref
  }

  #mac(purpose: string, fields: ReadonlyArray<Aad.Field>): Uint8Array {
    const { app, id, user } = this.#ref
    return hmac(this.#key, Aad.encode([purpose, app, user, id, ...fields]))
  }

  digest(content: Uint8Array): Uint8Array {
    return this.#mac("content", [content])
  }

  /** Where the chain of a session begins, after so many events that are not chained. */
  first(createTime: number, unchained: number): Uint8Array {
    return this.#mac("first", [createTime, unchained]).subarray(0, linkLength)
  }

  next(previous: Uint8Array, { digest, eventId, sequence }: Link): Uint8Array {
    return this.#mac("event", [previous, sequence, eventId, digest]).subarray(0, linkLength)
  }

  head(link: Uint8Array, { create_time, event_count, revision }: Position): Uint8Array {
    return this.#mac("head", [create_time, revision, event_count, link]).subarray(0, 16)
  }
}

/** A session of before the chain that nobody appended to since. @internal */
export const isUnchained = (row: ChainedHeadRow): boolean => row.chained === 0 && row.head.length === 0

/** Whether the session row vouches for its counts and its link. @internal */
export const isVouched = (mac: ChainMac, row: ChainedHeadRow): boolean =>
  row.head instanceof Uint8Array && row.link instanceof Uint8Array && isEqual(row.head, mac.head(row.link, row))

/** @internal */
export type Chain = ReturnType<typeof makeChain>

/** @internal */
export const makeChain = (keys: typeof DataKeys.Service) => {
  /** The end of the chain of a new session. */
  const begin = (ref: SessionRef, createTime: number) =>
    keys.use(ref, 0, (key): Either.Either<ChainHead> => {
      const mac = new ChainMac(key, ref)
      const link = mac.first(createTime, 0)
      return Either.right({ link, head: mac.head(link, { create_time: createTime, revision: 0, event_count: 0 }) })
    })

  const digest = (ref: SessionRef, content: Uint8Array) =>
    keys.use(ref, 0, (key) => Either.right(new ChainMac(key, ref).digest(content)))

  /**
   * The end of the chain after one more event, given the session row as it is after the advance, with link and head of
   * before. A row that does not vouch for itself is not extended: that would make its claims true.
   */
  const extend = (ref: SessionRef, row: ChainedHeadRow, link: Link) =>
    keys.use(ref, 0, (key): Either.Either<ChainHead, IntegrityViolation> => {
      const mac = new ChainMac(key, ref)
      const before = { ...row, revision: row.revision - 1, event_count: row.event_count - 1 }
      if (!isUnchained(row) && !isVouched(mac, before)) {
        return Either.left(new IntegrityViolation({ ref, sequence: row.event_count, kind: "HeadAltered" }))
      }
      const previous = isUnchained(row) ? mac.first(row.create_time, before.event_count) : row.link
      const next = mac.next(previous, link)
      return Either.right({ link: next, head: mac.head(next, row) })
    })

  /** The MACs for reading; never makes a key. */
  const read = <A>(ref: SessionRef, f: (mac: ChainMac) => A) =>
    Effect.flatMap(
      keys.find(ref, (key) => f(new ChainMac(key, ref))),
      Option.match({
        onSome: Effect.succeed,
        onNone: () =>
          new DecryptionError({
            reason: "KeyNotFound",
            location: {
              app: ref.app,
              user: ref.user,
              session: ref.id,
              table: "sessions",
              column: "head",
              id: ref.id,
              sequence: 0
            }
          })
      })
    )

  return { begin, digest, extend, read }
}
