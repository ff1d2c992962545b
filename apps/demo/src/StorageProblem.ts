/** What a person is told when something could not be kept: what happened, what is safe, what to do. */
import * as Predicate from "effect/Predicate"
import { StorageFailed } from "./ApiError.ts"

const words = {
  full: "The disk is full. This was not stored; what was stored before is safe. Free space, then send it again.",
  readOnly: "The data folder can be read and not written. This was not stored; what was stored before is safe. " +
    "Let it be written, then send it again.",
  damaged: "A database is damaged. Nothing was overwritten. Stop Sennit, keep a copy of the data folder, and put the " +
    "file of a backup in its place; `sennit doctor` says which file."
}

type Kind = keyof typeof words

/** What drivers, stores and systems call it. */
const signs: ReadonlyArray<readonly [sign: RegExp, kind: Kind]> = [
  [/^(?:Full|NoSpace|ENOSPC|EDQUOT|SQLITE_FULL|53100)/, "full"],
  [/^(?:ReadOnly|EROFS|SQLITE_READONLY|25006)/, "readOnly"],
  [/^(?:Corrupt|corrupt|SQLITE_CORRUPT|SQLITE_NOTADB|XX00[12])/, "damaged"]
]

/** How far causes are followed. */
const DEEPEST = 8

const kindOf = (error: unknown, depth = 0): Kind | undefined => {
  if (!Predicate.isRecord(error) || depth > DEEPEST) return undefined
  const names = [error["reason"], error["code"]].filter(Predicate.isString)
  const found = signs.find(([sign]) => names.some((name) => sign.test(name)))
  return found?.[1] ?? kindOf(error["cause"], depth + 1)
}

/** In words for people; an error that is not known speaks for itself. */
export const failed = (error: { readonly message: string }): StorageFailed => {
  const kind = kindOf(error)
  return new StorageFailed({ detail: kind === undefined ? error.message : words[kind] })
}
