/** A gibibyte each way in little memory; a reader who pauses stops the server. */
import * as HttpBody from "@effect/platform/HttpBody"
import { HttpClient } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { SoakResult } from "./main.ts"
import { startServer } from "./startServer.ts"

const gibibyte = 1024 * 1_048_576
const mebibytes = (bytes: number): number => Math.round(bytes / 1_048_576)

/** Runs `work` and gives by how much the resident memory was larger meanwhile than before. */
const growthOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    globalThis.gc?.()
    const before = process.memoryUsage.rss()
    let peak = before
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss())
    }, 10)
    return work.pipe(
      Effect.map((value) => ({ value, growth: peak - before })),
      Effect.ensuring(Effect.sync(() => clearInterval(timer)))
    )
  })

const numberFrom = (url: string) =>
  HttpClient.get(url).pipe(Effect.flatMap((response) => response.text), Effect.map(Number))

export const streams = async (): Promise<SoakResult> => {
  const server = await startServer(1)
  const pausing = Effect.gen(function*() {
    const response = yield* HttpClient.get(`${server.url}/gibibyte`)
    let received = 0
    let taken = 0
    yield* Stream.runForEachChunk(response.stream, (pieces) => {
      const first = received === 0
      for (const piece of pieces) received += piece.length
      if (!first) return Effect.void
      return Effect.sleep("1 second").pipe(
        Effect.zipRight(numberFrom(`${server.url}/taken`)),
        Effect.map((bytes) => {
          taken = bytes
        })
      )
    })
    return { received, taken }
  })
  const piece = new Uint8Array(65_536)
  const upload = HttpClient.post(`${server.url}/count`, {
    body: HttpBody.stream(Stream.take(Stream.repeatValue(piece), gibibyte / piece.length))
  }).pipe(Effect.flatMap((response) => response.text), Effect.map(Number))
  const program = Effect.all({ down: growthOf(pausing), up: growthOf(upload) })
  const { down, up } = await Effect.runPromise(Effect.provide(program, HttpClient.layerPooled()))
  await server.stop()
  return {
    ok: down.value.received === gibibyte && up.value === gibibyte && mebibytes(down.value.taken) < 64 &&
      mebibytes(down.growth) < 64 && mebibytes(up.growth) < 64,
    figures: [
      `download ${mebibytes(down.value.received)} MiB in ${mebibytes(down.growth)} MiB of memory`,
      `server had written ${mebibytes(down.value.taken)} MiB when the reader paused`,
      `upload ${mebibytes(up.value)} MiB in ${mebibytes(up.growth)} MiB`
    ]
  }
}
