/** An object larger than the memory that it may take, up and down again. */
import { Effect, Option, Stream } from "effect"
import { haveRgw, openLocal, openRgw } from "./backends.ts"
import type { Soaked } from "./backends.ts"
import type { SoakOptions, SoakResult } from "./main.ts"
import { growthOf, mebibytes } from "./memory.ts"

const pieceBytes = 256 * 1024

/** The same bytes for the same place, and no two pieces alike. */
const pieceAt = (index: number): Uint8Array => {
  const piece = new Uint8Array(pieceBytes).fill(index & 0xff)
  new DataView(piece.buffer).setUint32(0, index)
  return piece
}

const bodyOf = (pieces: number) =>
  Stream.unfold(0, (index) => index < pieces ? Option.some([pieceAt(index), index + 1]) : Option.none()).pipe(
    Stream.rechunk(1)
  )

/** How many bytes come back, until one is wrong. */
const readBack = (store: Soaked, key: string) =>
  Effect.gen(function*() {
    let at = 0
    let wrong = 0
    yield* Stream.runForEach(store.read(key), (bytes) =>
      Effect.sync(() => {
        for (let i = 0; i < bytes.length;) {
          const inside = (at + i) % pieceBytes
          const index = Math.floor((at + i) / pieceBytes)
          const length = Math.min(bytes.length - i, inside < 4 ? 4 - inside : pieceBytes - inside)
          const expected = inside < 4 ? undefined : index & 0xff
          if (expected === undefined) {
            for (let j = 0; j < length; j++) {
              if (bytes[i + j] !== (index >>> (8 * (3 - inside - j)) & 0xff)) wrong++
            }
          } else if (!bytes.subarray(i, i + length).every((byte) => byte === expected)) wrong++
          i += length
        }
        at += bytes.length
      }))
    return { length: at, wrong }
  })

const upAndDown = (name: string, store: Soaked, bytes: number) =>
  Effect.gen(function*() {
    const pieces = Math.ceil(bytes / pieceBytes)
    // What the first use of everything takes is not the object's.
    yield* store.write("warm", bodyOf(Math.min(pieces, 1024)), { mode: "overwrite" })
    yield* readBack(store, "warm")
    yield* store.delete("warm")
    const up = yield* growthOf(store.write("large", bodyOf(pieces), { mode: "overwrite" }))
    const down = yield* growthOf(readBack(store, "large"))
    yield* store.delete("large")
    const size = pieces * pieceBytes
    const isWhole = up.value.size === size && down.value.length === size && down.value.wrong === 0
    return {
      ok: isWhole && mebibytes(up.growth) < 64 && mebibytes(down.growth) < 64,
      figure: `${name}: ${mebibytes(size)} MiB up in ${mebibytes(up.growth)} MiB and down in ${
        mebibytes(down.growth)
      } MiB of memory, ${isWhole ? "every byte right" : "not the same bytes"}`
    }
  })

export const large = async ({ quick }: SoakOptions): Promise<SoakResult> => {
  const bytes = quick ? 2 ** 29 : 5e9
  const program = Effect.gen(function*() {
    const local = yield* upAndDown("local", yield* openLocal, bytes)
    if (!haveRgw) return [local, { ok: true, figure: "no Ceph here" }]
    const { store } = yield* openRgw(quick ? 4 : 8)
    return [local, yield* upAndDown("rgw", store, bytes)]
  })
  const results = await Effect.runPromise(Effect.scoped(program))
  return { ok: results.every(({ ok }) => ok), figures: results.map(({ figure }) => figure) }
}
