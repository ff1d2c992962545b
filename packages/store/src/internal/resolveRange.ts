/** Where a range lies in an object of a given size. */
import type { Range } from "../Operations.ts"

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/** @internal */
export const isValidRange = (range: Range): boolean =>
  "suffix" in range
    ? isCount(range.suffix)
    : isCount(range.offset) && (range.length === undefined || isCount(range.length))

/** @internal Start and end (exclusive), both within the object. */
export const resolveRange = (
  range: Range | undefined,
  size: number
): { readonly start: number; readonly end: number } => {
  if (range === undefined) return { start: 0, end: size }
  if ("suffix" in range) return { start: Math.max(0, size - range.suffix), end: size }
  const start = Math.min(range.offset, size)
  return { start, end: range.length === undefined ? size : Math.min(size, start + range.length) }
}
