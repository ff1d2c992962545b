/**
 * The in-memory index of one scope: postings, forward lists, sessions and vectors. It holds no text, and every statistic
 * in it comes from this scope alone.
 *
 * @since 0.1.0
 */
import type { MemoryType } from "../Memory.ts"
import { memoryTerms } from "./analyzeText.ts"
import { VectorColumn } from "./scanVectors.ts"

/**
 * What the ranker needs to know of a memory.
 *
 * @since 0.1.0
 */
export interface IndexedMemory {
  readonly doc: number
  readonly type: MemoryType
  /** Whose turn it was. */
  readonly speaker: string | undefined
  readonly sessionId: string | undefined
  /** Memories of one group are neighbours: the session, or the one save that produced them. */
  readonly group: string
  /** Event time, else the time of saving, in epoch milliseconds. */
  readonly at: number
  readonly importance: number
  /** The share of it that asks, 0 to 1. */
  readonly asks: number
  readonly validFrom: number
  /** Infinity while open. */
  readonly validTo: number
}

/**
 * Where a term occurs: for each memory its position and then how often, in order of position.
 *
 * @since 0.1.0
 */
export interface Posting {
  readonly term: string
  readonly entries: Array<number>
}

/**
 * @since 0.1.0
 */
export interface Speaker {
  /** The terms of the name. */
  readonly terms: ReadonlyArray<string>
  readonly positions: Array<number>
}

/**
 * @since 0.1.0
 */
export interface Group {
  readonly number: number
  /** The position of its latest memory, and how many terms its memories have. */
  last: number
  length: number
}

/**
 * Positions are dense and follow the order of saving; a memory is only ever added at the end. Removal and rewriting make
 * a new index.
 *
 * @since 0.1.0
 */
export class ScopeIndex {
  /** The change counter this index reflects. */
  version: number
  readonly memories: Array<IndexedMemory> = []
  readonly lengths: Array<number> = []
  /** What loops over a whole scope read of each memory, side by side: its validity, and the share of it that asks. */
  readonly begins: Array<number> = []
  readonly ends: Array<number> = []
  readonly asking: Array<number> = []
  readonly postings = new Map<string, Posting>()
  readonly speakers = new Map<string, Speaker>()
  readonly groups = new Map<string, Group>()
  /** For each position the number of its group, and the positions before and after it there; -1 where there is none. */
  readonly groupOf: Array<number> = []
  readonly previous: Array<number> = []
  readonly next: Array<number> = []
  /** By number: how many terms a group has. */
  readonly groupLengths: Array<number> = []
  readonly vectors = new VectorColumn()
  totalLength = 0
  private readonly terms: Array<Posting> = []
  private readonly numbers = new Map<string, number>()
  /** For each position where its terms begin: the number of a term and how often it occurs, in turn. */
  private readonly starts: Array<number> = [0]
  private readonly forward: Array<number> = []

  constructor(version: number) {
    this.version = version
  }

  get lastDoc(): number {
    return this.memories.at(-1)?.doc ?? 0
  }

  /** About how many bytes it takes, for the bound of the cache. */
  get bytes(): number {
    return 400 * this.memories.length + 16 * this.forward.length + 200 * this.terms.length + this.vectors.bytes
  }

  /** The memory in this place. */
  find(doc: number): IndexedMemory | undefined {
    const found = this.memories[this.positionOf(doc)]
    return found?.doc === doc ? found : undefined
  }

  /** The validity of one that is there already. */
  close(doc: number, validTo: number): void {
    const position = this.positionOf(doc)
    const found = this.memories[position]
    if (found?.doc !== doc) return
    this.memories[position] = { ...found, validTo }
    this.ends[position] = validTo
  }

  /** The terms of a memory and how often each occurs in it. */
  termsOf(position: number): ReadonlyArray<readonly [Posting, number]> {
    const out: Array<readonly [Posting, number]> = []
    for (let i = this.starts[position]!; i < this.starts[position + 1]!; i += 2) {
      out.push([this.terms[this.forward[i]!]!, this.forward[i + 1]!])
    }
    return out
  }

  add(
    memory: IndexedMemory,
    terms: Iterable<readonly [term: string, frequency: number]>,
    vector?: Int8Array | undefined
  ): void {
    const position = this.memories.length
    let length = 0
    for (const [term, frequency] of terms) {
      const number = this.numberOf(term)
      this.terms[number]!.entries.push(position, frequency)
      this.forward.push(number, frequency)
      length += frequency
    }
    this.starts.push(this.forward.length)
    this.memories.push(memory)
    this.lengths.push(length)
    this.begins.push(memory.validFrom)
    this.ends.push(memory.validTo)
    this.asking.push(memory.asks)
    this.totalLength += length
    this.vectors.push(vector)
    this.join(memory.group, position, length)
    const name = memory.speaker
    if (name === undefined) return
    entry(this.speakers, name, () => ({ terms: memoryTerms(name), positions: [] })).positions.push(position)
  }

  private join(name: string, position: number, length: number): void {
    const group = entry(this.groups, name, () => ({ number: this.groups.size, last: -1, length: 0 }))
    this.groupOf.push(group.number)
    this.previous.push(group.last)
    this.next.push(-1)
    if (group.last >= 0) this.next[group.last] = position
    group.last = position
    group.length += length
    this.groupLengths[group.number] = group.length
  }

  private numberOf(term: string): number {
    const known = this.numbers.get(term)
    if (known !== undefined) return known
    const posting: Posting = { term, entries: [] }
    this.numbers.set(term, this.terms.length)
    this.postings.set(term, posting)
    return this.terms.push(posting) - 1
  }

  private positionOf(doc: number): number {
    let low = 0
    let high = this.memories.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.memories[middle]!.doc < doc) low = middle + 1
      else high = middle
    }
    return low
  }
}

const entry = <A>(map: Map<string, A>, key: string, make: () => A): A => {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}
