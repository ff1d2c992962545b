/**
 * The additional data of many records of one scope. Those of a history differ in id and sequence alone, so what comes
 * before these is encoded once.
 *
 * @internal
 */
import type { KeyScope, Place } from "../Aad.ts"
import * as Aad from "../Aad.ts"
import { isEqual } from "./deriveKey.ts"

const fieldCount = 8
const countLength = 8

/** Answers what `Aad.ofPlace` does, byte for byte. @internal */
export const makeBindPlace = ({ app, user }: KeyScope) => {
  let last: Place | undefined
  let header: Uint8Array = new Uint8Array(0)
  let prefix: Uint8Array = new Uint8Array(0)
  return (itsHeader: Uint8Array, place: Place): Uint8Array => {
    const isSame = last !== undefined && last.session === place.session && last.table === place.table &&
      last.column === place.column && isEqual(header, itsHeader)
    if (!isSame) {
      last = place
      header = itsHeader
      prefix = Aad.encode([header, app, user, place.session ?? "", place.table, place.column])
      prefix[0] = fieldCount
    }
    const rest = Aad.encode([place.id ?? "", place.sequence ?? 0])
    const out = Buffer.allocUnsafe(prefix.length + rest.length - countLength)
    out.set(prefix)
    out.set(rest.subarray(countLength), prefix.length)
    return out
  }
}
