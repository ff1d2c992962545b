/**
 * The additional data of many records of one scope. Those of a history differ in id and sequence alone, and their ids
 * are equally long: only these are written anew, into the bytes of the record before.
 *
 * @internal
 */
import type { KeyScope, Place } from "../Aad.ts"
import * as Aad from "../Aad.ts"

/**
 * Answers what `Aad.ofPlace` does, byte for byte; the bytes are good until the next call. The header must be the same
 * object for as long as it has the same bytes, and must not change.
 *
 * @internal
 */
export const makeBindPlace = (scope: KeyScope) => {
  let last: Place | undefined
  let lastHeader: Uint8Array | undefined
  let bytes: Uint8Array = new Uint8Array(0)
  return (header: Uint8Array, place: Place): Uint8Array => {
    const isLike = last !== undefined && lastHeader === header && last.session === place.session &&
      last.table === place.table && last.column === place.column && last.id?.length === place.id?.length
    if (isLike) Aad.replaceEnd(bytes, place)
    else bytes = Aad.ofPlace(header, scope, place)
    last = place
    lastHeader = header
    return bytes
  }
}
