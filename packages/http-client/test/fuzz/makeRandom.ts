/** A small reproducible source of randomness (xorshift32, Marsaglia 2003): the same seed gives the same inputs. */
export interface Random {
  /** A whole number in [0, bound). */
  readonly below: (bound: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(items: readonly [A, ...ReadonlyArray<A>]) => A
}

export const makeRandom = (seed: number): Random => {
  let state = (seed ^ 0x9e3779b9) | 0 || 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x1_0000_0000
  }
  const below = (bound: number) => Math.floor(next() * bound)
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)] ?? items[0]
  }
}
