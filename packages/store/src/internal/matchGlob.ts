/** Patterns of names and paths, matched in time proportional to their product: no pattern can make it hang. */
import * as Either from "effect/Either"
import type { InvalidPathReason } from "../StoreError.ts"

interface Range {
  readonly from: string
  readonly to: string
}

type Token =
  | { readonly _tag: "Any" }
  | { readonly _tag: "One" }
  | { readonly _tag: "Character"; readonly character: string }
  | { readonly _tag: "Set"; readonly negated: boolean; readonly ranges: ReadonlyArray<Range> }

/** @internal A part of a pattern that stands for one name, or for any number of folders. */
export type Segment =
  | { readonly _tag: "Folders" }
  | { readonly _tag: "Literal"; readonly name: string }
  | { readonly _tag: "Name"; readonly tokens: ReadonlyArray<Token> }

/** @internal */
export type Pattern = ReadonlyArray<Segment>

/** @internal */
export const parsePattern = (text: string): Either.Either<Pattern, InvalidPathReason> => {
  const parts = text.split("/").filter((part) => part !== "" && part !== ".")
  if (parts.length === 0) return Either.left("Root")
  if (parts.includes("..")) return Either.left("ParentSegment")
  return Either.all(parts.map(parseSegment))
}

const parseSegment = (text: string): Either.Either<Segment, InvalidPathReason> => {
  if (text === "**") return Either.right({ _tag: "Folders" })
  if (!/[*?[]/.test(text)) return Either.right({ _tag: "Literal", name: text })
  const characters = Array.from(text)
  const tokens: Array<Token> = []
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? ""
    if (character === "*") tokens.push({ _tag: "Any" })
    else if (character === "?") tokens.push({ _tag: "One" })
    else if (character === "[") {
      const negated = characters[i + 1] === "!"
      const start = i + (negated ? 2 : 1)
      // A bracket that comes first is a member, as in sh.
      const end = characters.indexOf("]", start + 1)
      if (end === -1) return Either.left("Pattern")
      tokens.push({ _tag: "Set", negated, ranges: parseRanges(characters.slice(start, end)) })
      i = end
    } else tokens.push({ _tag: "Character", character })
  }
  return Either.right({ _tag: "Name", tokens })
}

const parseRanges = (members: ReadonlyArray<string>): ReadonlyArray<Range> => {
  const ranges: Array<Range> = []
  for (let i = 0; i < members.length; i++) {
    const from = members[i] ?? ""
    const last = members[i + 2]
    if (members[i + 1] === "-" && last !== undefined) {
      ranges.push({ from, to: last })
      i += 2
    } else ranges.push({ from, to: from })
  }
  return ranges
}

/** Goes back to the last star only, which is enough: what an earlier one could take, the last one can too. */
const matchSequence = <P extends object>(
  pattern: ReadonlyArray<P>,
  items: ReadonlyArray<string>,
  isStar: (part: P) => boolean,
  fits: (part: P, item: string) => boolean
): boolean => {
  let place = 0
  let star = -1
  let taken = 0
  for (let index = 0; index < items.length;) {
    const part = pattern[place]
    if (part !== undefined && isStar(part)) {
      star = place++
      taken = index
    } else if (part !== undefined && fits(part, items[index] ?? "")) {
      place++
      index++
    } else if (star === -1) return false
    else {
      place = star + 1
      index = ++taken
    }
  }
  return pattern.slice(place).every(isStar)
}

const isAny = ({ _tag }: Token): boolean => _tag === "Any"

const fitsToken = (token: Token, character: string): boolean => {
  switch (token._tag) {
    case "Any":
    case "One":
      return true
    case "Character":
      return token.character === character
    case "Set":
      return token.ranges.some(({ from, to }) => isBetween(character, from, to)) !== token.negated
  }
}

const codeOf = (character: string): number => character.codePointAt(0) ?? 0

const isBetween = (character: string, from: string, to: string): boolean =>
  codeOf(from) <= codeOf(character) && codeOf(character) <= codeOf(to)

/** @internal */
export const matchesName = (segment: Segment, name: string): boolean => {
  switch (segment._tag) {
    case "Folders":
      return true
    case "Literal":
      return segment.name === name
    case "Name":
      return matchSequence(segment.tokens, Array.from(name), isAny, fitsToken)
  }
}

/** @internal */
export const matchesPath = (pattern: Pattern, names: ReadonlyArray<string>): boolean =>
  matchSequence(pattern, names, ({ _tag }) => _tag === "Folders", matchesName)
