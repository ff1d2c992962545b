// @effect-diagnostics nodeBuiltinImport:off -- node:zlib compresses what a server of the fuzzer sends
import * as Zlib from "node:zlib"
import type { Random } from "./makeRandom.ts"

/** Bytes that a server might send after the handshake; half of them are damaged. */
export interface WebSocketInput {
  readonly bytes: Buffer
  /** permessage-deflate was agreed on. */
  readonly deflate: boolean
}

const texts = [
  "",
  "a",
  "hello",
  "\u{1F642}",
  "gr\u00FC\u00DFe \u20AC",
  "x".repeat(125),
  "y".repeat(126),
  "\uFFFD\uFEFF"
] as const
const broken = ["c0af", "eda080", "ff", "f4908080", "e282", "80", "61f0"] as const
const sizes = [0, 1, 4, 7, 60, 125, 126, 127, 500, 2000, 2001] as const

/** A frame after §5.2 of RFC 6455. */
const frame = (first: number, payload: Uint8Array, long = false): Buffer => {
  const { length } = payload
  if (length < 126 && !long) return Buffer.concat([Uint8Array.of(first, length), payload])
  return Buffer.concat([Uint8Array.of(first, 126, length >> 8, length & 0xff), payload])
}

const payloadOf = (random: Random): readonly [opcode: number, payload: Buffer] => {
  if (random.chance(0.6)) {
    const text = Buffer.from(random.pick(texts) + random.pick(texts))
    return [1, random.chance(0.04) ? Buffer.concat([text, Buffer.from(random.pick(broken), "hex")]) : text]
  }
  return [2, Buffer.alloc(random.pick(sizes), random.below(256))]
}

const closes = ["", "03e8", "03e96279", "0bb8", "1387", "03ed", "03", "0000", "03e8ff", "03f7"] as const

const control = (random: Random): Buffer => {
  if (random.chance(0.85)) return frame(random.pick([0x89, 0x8a]), Buffer.alloc(random.pick([0, 1, 8, 125]), 112))
  return frame(0x88, Buffer.from(random.pick(closes), "hex"))
}

/** One message in some fragments, with control frames between. */
const message = (random: Random, deflate: boolean): ReadonlyArray<Buffer> => {
  const [opcode, plain] = payloadOf(random)
  const compressed = deflate && random.chance(0.7)
  const payload = compressed
    ? Zlib.deflateRawSync(plain, { finishFlush: Zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4)
    : plain
  const frames: Array<Buffer> = []
  const count = random.chance(0.5) ? 1 : 1 + random.below(9)
  for (let i = 0, at = 0; i < count; i++) {
    const end = i === count - 1 ? payload.length : Math.min(payload.length, at + random.below(payload.length + 1))
    const first = (i === 0 ? opcode | (compressed ? 0x40 : 0) : 0) | (i === count - 1 ? 0x80 : 0)
    frames.push(frame(first, payload.subarray(at, end), random.chance(0.01)))
    if (random.chance(0.15)) frames.push(control(random))
    at = end
  }
  return frames
}

/** Bytes of a header are damaged more often than those of a payload. */
const damage = (random: Random, bytes: Buffer, heads: ReadonlyArray<number>): Buffer => {
  if (bytes.length === 0) return bytes
  const at = random.chance(0.7)
    ? Math.min(bytes.length - 1, (heads[random.below(heads.length)] ?? 0) + random.below(3))
    : random.below(bytes.length)
  switch (random.below(5)) {
    case 0:
      bytes[at] = random.below(256)
      return bytes
    case 1:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
      return bytes
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(3))])
    case 3:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([random.below(256)]), bytes.subarray(at)])
    default:
      return bytes.subarray(0, at)
  }
}

export const makeWebSocketInput = (random: Random): WebSocketInput => {
  const deflate = random.chance(0.05)
  const frames = Array.from({ length: 1 + random.below(4) }, () => message(random, deflate)).flat()
  const heads: Array<number> = []
  let length = 0
  for (const one of frames) {
    heads.push(length)
    length += one.length
  }
  const bytes = Buffer.concat(frames)
  return { bytes: random.chance(0.5) ? bytes : damage(random, bytes, heads), deflate }
}
