/**
 * The first `limit` by an order without equals, first first.
 *
 * @since 0.1.0
 */
export const takeFirst = <A>(
  items: Iterable<A>,
  limit: number,
  isBefore: (one: A, other: A) => boolean
): ReadonlyArray<A> => {
  const first: Array<A> = []
  for (const item of items) {
    if (first.length === limit && !isBefore(item, first[limit - 1]!)) continue
    let low = 0
    let high = first.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBefore(item, first[middle]!)) high = middle
      else low = middle + 1
    }
    first.splice(low, 0, item)
    if (first.length > limit) first.pop()
  }
  return first
}
