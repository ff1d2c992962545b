/**
 * The in-memory lexical index of one scope: postings, forward lists and sessions. It holds no text, and every statistic
 * in it comes from this scope alone.
 *
 * @since 0.1.0
 */
import type { MemoryType } from "../Memory.ts"
import { memoryTerms } from "./analyzeText.ts"

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
  readonly validFrom: number
  /** Infinity while open. */
  readonly validTo: number
}

/**
 * @since 0.1.0
 */
export interface Posting {
  readonly term: string
  readonly positions: Array<number>
  readonly frequencies: Array<number>
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
  readonly positions: Array<number>
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
  readonly forward: Array<ReadonlyArray<readonly [Posting, number]>> = []
  readonly postings = new Map<string, Posting>()
  readonly speakers = new Map<string, Speaker>()
  readonly groups = new Map<string, Group>()
  /** For each position its group and its place in that group. */
  readonly groupOf: Array<Group> = []
  readonly placeOf: Array<number> = []
  totalLength = 0

  constructor(version: number) {
    this.version = version
  }

  get lastDoc(): number {
    return this.memories.at(-1)?.doc ?? 0
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
    if (found?.doc === doc) this.memories[position] = { ...found, validTo }
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

  add(memory: IndexedMemory, terms: Iterable<readonly [term: string, frequency: number]>): void {
    const position = this.memories.length
    const forward: Array<readonly [Posting, number]> = []
    let length = 0
    for (const [term, frequency] of terms) {
      const posting = entry(this.postings, term, () => ({ term, positions: [], frequencies: [] }))
      posting.positions.push(position)
      posting.frequencies.push(frequency)
      forward.push([posting, frequency])
      length += frequency
    }
    const group = entry(this.groups, memory.group, () => ({ positions: [], length: 0 }))
    this.memories.push(memory)
    this.lengths.push(length)
    this.forward.push(forward)
    this.groupOf.push(group)
    this.placeOf.push(group.positions.length)
    group.positions.push(position)
    group.length += length
    this.totalLength += length
    if (memory.speaker === undefined) return
    const name = memory.speaker
    entry(this.speakers, name, () => ({ terms: memoryTerms(name), positions: [] })).positions.push(position)
  }
}

const entry = <A>(map: Map<string, A>, key: string, make: () => A): A => {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}
