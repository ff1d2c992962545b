/**
 * Vectors of one scope in one column, compared by brute force: whole numbers for the exact cosine, and their signs for a
 * first pass over many, where a distance is a count of bits (random hyperplanes, Charikar 2002).
 *
 * @since 0.1.0
 */

/** The cosine of two directions that differ in this share of their signs. */
const cosineOfShare = (share: number): number => Math.cos(Math.PI * share)

const countBits = (word: number): number => {
  let bits = word - ((word >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

const packSigns = (vector: Int8Array, into: Int32Array, at: number) => {
  for (let i = 0; i < vector.length; i++) {
    if (vector[i]! > 0) into[at + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** In 32-bit whole numbers, which compilers keep in registers: 127 x 127 fits 130,000 times. */
const dot = (one: Int8Array, oneAt: number, other: Int8Array, otherAt: number, length: number): number => {
  let sum = 0
  for (let i = 0; i < length; i++) sum = (sum + Math.imul(one[oneAt + i]!, other[otherAt + i]!)) | 0
  return sum
}

const lengthOf = (vector: Int8Array): number => Math.sqrt(dot(vector, 0, vector, 0, vector.length))

/**
 * Grows at the end. A place may be without a vector; its cosine with everything is 0.
 *
 * @since 0.1.0
 */
export class VectorColumn {
  /** 0 until the first vector. */
  dimension = 0
  private count = 0
  private values = new Int8Array(0)
  private signs = new Int32Array(0)
  private lengths = new Float32Array(0)

  get bytes(): number {
    return this.values.byteLength + this.signs.byteLength + this.lengths.byteLength
  }

  push(vector: Int8Array | undefined): void {
    const place = this.count++
    if (vector === undefined && this.dimension === 0) return
    if (vector !== undefined && this.dimension === 0) this.dimension = vector.length
    this.reserve(this.count)
    if (vector === undefined) return
    this.values.set(vector, place * this.dimension)
    this.lengths[place] = lengthOf(vector)
    packSigns(vector, this.signs, place * this.words)
  }

  private get words(): number {
    return (this.dimension + 31) >>> 5
  }

  private reserve(count: number): void {
    if (this.lengths.length >= count) return
    const capacity = Math.max(64, count, this.lengths.length + (this.lengths.length >>> 1))
    const values = new Int8Array(capacity * this.dimension)
    values.set(this.values)
    const signs = new Int32Array(capacity * this.words)
    signs.set(this.signs)
    const lengths = new Float32Array(capacity)
    lengths.set(this.lengths)
    this.values = values
    this.signs = signs
    this.lengths = lengths
  }

  /** The exact cosine of a vector with these places, written into `scores` by place. */
  score(vector: Int8Array, positions: Int32Array, scores: Float64Array): void {
    const { dimension, lengths, values } = this
    if (dimension === 0) return
    const own = lengthOf(vector)
    for (let p = 0; p < positions.length; p++) {
      const position = positions[p]!
      const length = lengths[position]!
      if (length === 0) continue
      scores[position] = dot(vector, 0, values, position * dimension, dimension) / (own * length)
    }
  }

  /** About the cosine, from signs alone. */
  estimate(vector: Int8Array, positions: Int32Array, scores: Float64Array): void {
    const { dimension, lengths, signs, words } = this
    if (dimension === 0) return
    const own = new Int32Array(words)
    packSigns(vector, own, 0)
    const cosines = Float64Array.from({ length: dimension + 1 }, (_, bits) => cosineOfShare(bits / dimension))
    for (let p = 0; p < positions.length; p++) {
      const position = positions[p]!
      if (lengths[position] === 0) continue
      let bits = 0
      for (let i = 0, at = position * words; i < words; i++, at++) bits += countBits(signs[at]! ^ own[i]!)
      scores[position] = cosines[bits]!
    }
  }

  /** The cosine of two places. */
  between(one: number, other: number): number {
    const { dimension, lengths, values } = this
    const length = lengths[one]! * lengths[other]!
    if (dimension === 0 || length === 0) return 0
    return dot(values, one * dimension, values, other * dimension, dimension) / length
  }
}
