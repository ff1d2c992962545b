// @effect-diagnostics nodeBuiltinImport:off the table is a file of this package, read once
/**
 * The word table of `StaticEmbedder`; `table/distill.mjs` says how the file is laid out.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { EmbeddingError } from "../MemoryVaultError.ts"

/**
 * @since 0.1.0
 */
export interface WordTable {
  readonly dimension: number
  readonly words: ReadonlyMap<string, number>
  readonly rows: Int8Array
  /** Length of each row. */
  readonly norms: Float32Array
}

const file = new URL("../../table/english-256.bin", import.meta.url)
const headerLength = 20

const parse = (bytes: Buffer): WordTable => {
  const [count, dimension, listLength] = [8, 12, 16].map((place) => bytes.readUInt32LE(place))
  if (bytes.toString("latin1", 0, 4) !== "SNWT" || bytes.readUInt32LE(4) !== 1) throw new Error("no table of words")
  const start = headerLength + listLength!
  const rows = new Int8Array(bytes.buffer, bytes.byteOffset + start, count! * dimension!)
  const list = bytes.toString("utf8", headerLength, start).trimEnd().split("\n")
  const norms = new Float32Array(count!)
  for (let row = 0; row < norms.length; row++) {
    let squares = 0
    for (let i = row * dimension!; i < (row + 1) * dimension!; i++) squares += rows[i]! ** 2
    norms[row] = Math.sqrt(squares)
  }
  return { dimension: dimension!, words: new Map(list.map((word, row) => [word, row])), rows, norms }
}

/**
 * @since 0.1.0
 */
export const readTable: Effect.Effect<WordTable, EmbeddingError> = Effect.try({
  try: () => parse(readFileSync(file)),
  catch: (cause) => new EmbeddingError({ reason: "unavailable", cause })
})
