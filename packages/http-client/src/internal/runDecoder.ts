// @effect-diagnostics nodeBuiltinImport:off -- the driver of node:zlib
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"
import { DecompressionError } from "../HttpError.ts"

/** A coding that can be decoded. @internal */
export type Coding = "gzip" | "deflate" | "br" | "zstd"

const chunkSize = 65_536

/** What node:zlib has from Node 22.15 on. */
interface ZstdZlib {
  readonly createZstdDecompress: (options: { readonly chunkSize: number }) => Transform & Zlib.Zlib
}

const hasZstd = (zlib: object): zlib is ZstdZlib =>
  "createZstdDecompress" in zlib && typeof zlib.createZstdDecompress === "function"

/** The codings of this Node. @internal */
export const supportedCodings: ReadonlyArray<Coding> = hasZstd(Zlib)
  ? ["gzip", "deflate", "br", "zstd"]
  : ["gzip", "deflate", "br"]

/**
 * RFC 9110 §8.4.1.2: "deflate" is the zlib format, but some servers send raw deflate. A zlib header has compression
 * method 8 in its low four bits; a raw stream would need a stored block with a padding bit set to look like it.
 */
const isZlibHeader = (first: number): boolean => (first & 0x0f) === 8

const makeZlib = (coding: Coding, first: number): Transform & Zlib.Zlib => {
  switch (coding) {
    case "gzip":
      return Zlib.createGunzip({ chunkSize })
    case "deflate":
      return isZlibHeader(first) ? Zlib.createInflate({ chunkSize }) : Zlib.createInflateRaw({ chunkSize })
    case "br":
      return Zlib.createBrotliDecompress({ chunkSize })
    case "zstd":
      if (!hasZstd(Zlib)) throw new Error("zstd is not among the codings of this Node")
      return Zlib.createZstdDecompress({ chunkSize })
  }
}

/** Takes encoded chunks one at a time and gives decoded ones, as many as the reader takes. */
class Decoder {
  readonly #coding: Coding
  #zlib: (Transform & Zlib.Zlib) | undefined
  #failure: DecompressionError | undefined
  #given = 0
  /** The chunk that was written last is not used up. */
  #writing = false
  #ended = false
  #dirty = false
  #wake: (() => void) | undefined

  constructor(coding: Coding) {
    this.#coding = coding
  }

  #fail(reason: DecompressionError["reason"], cause?: unknown): void {
    this.#failure ??= new DecompressionError({
      reason,
      coding: this.#coding,
      ...(cause === undefined ? {} : { cause })
    })
  }

  #changed(): void {
    const wake = this.#wake
    this.#wake = undefined
    if (wake === undefined) this.#dirty = true
    else wake()
  }

  #start(first: number): Transform & Zlib.Zlib {
    const zlib = makeZlib(this.#coding, first)
    zlib.on("readable", () => this.#changed())
    zlib.on("end", () => {
      this.#ended = true
      if (zlib.bytesWritten < this.#given) this.#fail("TrailingData")
      this.#changed()
    })
    zlib.on("error", (error: Error) => {
      this.#fail("code" in error && error.code === "Z_BUF_ERROR" ? "Truncated" : "Corrupt", error)
      this.#changed()
    })
    return this.#zlib = zlib
  }

  /** It can take another chunk. */
  get isIdle(): boolean {
    return !this.#writing
  }

  write(bytes: Uint8Array): void {
    const first = bytes[0]
    if (first === undefined) return
    if (this.#ended) return this.#fail("TrailingData")
    this.#given += bytes.length
    this.#writing = true
    const zlib = this.#zlib ?? this.#start(first)
    zlib.write(bytes, () => {
      this.#writing = false
      this.#changed()
    })
  }

  /** No more will be written. */
  finish(): void {
    if (this.#zlib === undefined) this.#ended = true // a body of no bytes, whatever its coding, is empty
    else this.#zlib.end()
  }

  /** Decoded bytes; a failure; "end"; undefined when there is nothing yet. */
  read(): Uint8Array | DecompressionError | "end" | undefined {
    const zlib = this.#zlib
    if (this.#failure !== undefined) return this.#failure
    const bytes: unknown = zlib?.read()
    if (bytes instanceof Uint8Array) return bytes
    return this.#ended ? "end" : undefined
  }

  /** Waits for the next change; one that came since the last time counts. */
  readonly wait: Effect.Effect<void> = Effect.async((resume) => {
    if (this.#dirty) resume(Effect.void)
    else this.#wake = () => resume(Effect.void)
    this.#dirty = false
  })

  close(): void {
    this.#zlib?.destroy()
  }
}

/**
 * Decode a stream. A chunk is asked for only when the last one is used up, so memory stays bounded whatever a byte
 * decodes to; the decoder is freed when the stream ends, fails or is left.
 *
 * @internal
 */
export const decodeWith =
  (coding: Coding) =>
  <E, R>(source: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | DecompressionError, R> =>
    Stream.fromPull(Effect.gen(function*() {
      const upstream = yield* Stream.toPull(source)
      const decoder = yield* Effect.acquireRelease(
        Effect.sync(() => new Decoder(coding)),
        (made) => Effect.sync(() => made.close())
      )
      let buffered: ReadonlyArray<Uint8Array> = []
      let next = 0
      let sourceEnded = false

      const feed: Effect.Effect<void, Option.Option<E>, R> = Effect.suspend(() => {
        const chunk = buffered[next]
        if (chunk !== undefined) {
          next++
          return Effect.sync(() => decoder.write(chunk))
        }
        return Effect.matchEffect(upstream, {
          onSuccess: (chunks) =>
            Effect.sync(() => {
              buffered = Chunk.toReadonlyArray(chunks)
              next = 0
            }),
          onFailure: (end) => {
            if (Option.isSome(end)) return Effect.fail(end)
            sourceEnded = true
            return Effect.sync(() => decoder.finish())
          }
        })
      })

      const pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E | DecompressionError>, R> = Effect.suspend(
        () => {
          const read = decoder.read()
          if (read instanceof Uint8Array) return Effect.succeed(Chunk.of(read))
          // after the end of the encoded data the source is read to its own end: nothing may follow
          if (read === "end" && sourceEnded) return Effect.fail(Option.none())
          if (read !== undefined && read !== "end") return Effect.fail(Option.some(read))
          const more = decoder.isIdle && !sourceEnded ? feed : decoder.wait
          return Effect.zipRight(more, pull)
        }
      )
      return pull
    }))
