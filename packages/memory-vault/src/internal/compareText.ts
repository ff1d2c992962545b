/**
 * The order in which SQLite sorts text, for what is opened only after it was read.
 *
 * @since 0.1.0
 */

const isSurrogate = (unit: number): number => Number(unit >= 0xd800 && unit <= 0xdfff)

/**
 * By code points.
 *
 * @since 0.1.0
 */
export const compareText = (one: string, other: string): number => {
  const length = Math.min(one.length, other.length)
  for (let i = 0; i < length; i++) {
    const [a, b] = [one.charCodeAt(i), other.charCodeAt(i)]
    if (a !== b) return isSurrogate(a) - isSurrogate(b) || a - b
  }
  return one.length - other.length
}
