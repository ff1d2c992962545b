// @effect-diagnostics nodeBuiltinImport:off -- node:crypto makes masks that nobody can foresee
import * as Crypto from "node:crypto"
import { maskBytes } from "./maskBytes.ts"

/** Bytes that may wait for one write. */
const slabSize = 65_536

interface Slab {
  readonly bytes: Buffer
  readonly words: Uint32Array
}

/** Slabs that no socket uses: what one write has carried away, the next may overwrite. */
const free: Array<Slab> = []
const mostFree = 16

const nextSlab = (): Slab => {
  const found = free.pop()
  if (found !== undefined) return found
  const bytes = Buffer.allocUnsafeSlow(slabSize)
  return { bytes, words: new Uint32Array(bytes.buffer) }
}

const masks = Buffer.alloc(8192)
let masksUsed = masks.length

/** Where in `masks` the next four random bytes are. */
const nextMask = (): number => {
  if (masksUsed === masks.length) {
    Crypto.randomFillSync(masks)
    masksUsed = 0
  }
  masksUsed += 4
  return masksUsed - 4
}

const headSize = (length: number): number => length < 126 ? 6 : length < 65_536 ? 8 : 14

const writeHead = (bytes: Buffer, at: number, first: number, length: number, maskAt: number): void => {
  bytes[at] = first
  let next = at + 2
  if (length < 126) bytes[at + 1] = 0x80 | length
  else if (length < 65_536) {
    bytes[at + 1] = 0xfe
    bytes[at + 2] = length >>> 8
    bytes[at + 3] = length & 0xff
    next = at + 4
  } else {
    bytes[at + 1] = 0xff
    bytes.writeBigUInt64BE(BigInt(length), at + 2)
    next = at + 10
  }
  for (let i = 0; i < 4; i++) bytes[next + i] = masks[maskAt + i] ?? 0
}

/** A frame in memory of its own, for what is larger than a batch. @internal */
export const frameAlone = (first: number, payload: Uint8Array): Buffer => {
  const head = headSize(payload.length)
  // whole words, so that it can be masked by them
  const memory = Buffer.allocUnsafeSlow((head + payload.length + 3) & ~3)
  const maskAt = nextMask()
  writeHead(memory, 0, first, payload.length, maskAt)
  memory.set(payload, head)
  const end = head + payload.length
  maskBytes(memory, new Uint32Array(memory.buffer), head, end, masks, maskAt)
  return memory.subarray(0, end)
}

/**
 * Masked frames one behind the other, for a single write.
 *
 * @internal
 */
export class FrameBatch {
  #slab: Slab | undefined
  /** Bytes in it. */
  size = 0

  /** Add a frame; false when it does not fit any more. */
  addBytes(first: number, payload: Uint8Array): boolean {
    const head = headSize(payload.length)
    if (this.size + head + payload.length > slabSize) return false
    const slab = this.#slab ??= nextSlab()
    slab.bytes.set(payload, this.size + head)
    this.#close(slab, first, head, payload.length)
    return true
  }

  /** Add a frame with the UTF-8 of a text; false when it may not fit any more. */
  addText(first: number, text: string): boolean {
    // a UTF-16 code unit is three bytes at most
    if (this.size + 14 + text.length * 3 > slabSize) return false
    const slab = this.#slab ??= nextSlab()
    const head = headSize(text.length)
    const from = this.size + head
    const length = slab.bytes.write(text, from)
    const actual = headSize(length)
    if (actual !== head) slab.bytes.copyWithin(this.size + actual, from, from + length)
    this.#close(slab, first, actual, length)
    return true
  }

  #close(slab: Slab, first: number, head: number, length: number): void {
    const maskAt = nextMask()
    const payload = this.size + head
    writeHead(slab.bytes, this.size, first, length, maskAt)
    this.size = payload + length
    maskBytes(slab.bytes, slab.words, payload, this.size, masks, maskAt)
  }

  /** Give all frames to `write`, which calls `done` when the memory is its no more. */
  flush(write: (frames: Buffer, done: (error?: Error | null) => void) => void): void {
    const slab = this.#slab
    if (slab === undefined) return
    const frames = slab.bytes.subarray(0, this.size)
    this.#slab = undefined
    this.size = 0
    write(frames, (error) => {
      if (!error && free.length < mostFree) free.push(slab)
    })
  }
}
