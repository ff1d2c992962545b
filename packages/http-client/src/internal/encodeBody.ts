// @effect-diagnostics anyUnknownInErrorContext:off -- platform declares the error of a body stream as unknown
import type * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { RequestFraming } from "../Http1.ts"
import { InvalidRequest, WriteError } from "../HttpError.ts"
import type { BodySink } from "./runExchange.ts"

/** A request body, ready to be written. @internal */
export interface EncodedBody {
  readonly framing: RequestFraming
  readonly bytes: Uint8Array | undefined
  readonly stream: Stream.Stream<Uint8Array, unknown> | undefined
  /** Content type that the body brings with it (a form's boundary). */
  readonly contentType: string | undefined
  /** It can be written a second time. */
  readonly replayable: boolean
}

/** Larger bodies are written piece by piece, as the socket takes them. */
const pieceSize = 65_536

const noBody: EncodedBody = {
  framing: "none",
  bytes: undefined,
  stream: undefined,
  contentType: undefined,
  replayable: true
}

/** @internal */
export const pieces = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.unfold(0, (at) =>
    at < bytes.length
      ? Option.some([bytes.subarray(at, at + pieceSize), at + pieceSize] as const)
      : Option.none())

const ofBytes = (bytes: Uint8Array): EncodedBody => ({
  framing: bytes.length,
  bytes: bytes.length <= pieceSize ? bytes : undefined,
  stream: bytes.length <= pieceSize ? undefined : pieces(bytes),
  contentType: undefined,
  replayable: true
})

const ofStream = (stream: Stream.Stream<Uint8Array, unknown>, length: number | undefined): EncodedBody => ({
  framing: length ?? "chunked",
  bytes: undefined,
  stream,
  contentType: undefined,
  replayable: false
})

const ofForm = (form: FormData): EncodedBody => {
  // the platform's own encoder of multipart/form-data: it chooses the boundary and escapes names
  const encoded = new Response(form)
  const stream = encoded.body
  if (stream === null) return noBody
  return {
    ...ofStream(Stream.fromReadableStream(() => stream, (cause) => cause), undefined),
    contentType: encoded.headers.get("content-type") ?? undefined
  }
}

const isAsyncIterable = (u: unknown): u is AsyncIterable<Uint8Array> => Predicate.hasProperty(u, Symbol.asyncIterator)

const ofRaw = (raw: unknown, length: number | undefined): EncodedBody | InvalidRequest => {
  if (raw === null || raw === undefined) return noBody
  if (typeof raw === "string") return ofBytes(Buffer.from(raw))
  if (raw instanceof Uint8Array) return ofBytes(raw)
  if (raw instanceof ArrayBuffer) return ofBytes(new Uint8Array(raw))
  if (raw instanceof URLSearchParams) return ofBytes(Buffer.from(raw.toString()))
  if (raw instanceof FormData) return ofForm(raw)
  if (raw instanceof Blob) {
    return { ...ofStream(Stream.fromReadableStream(() => raw.stream(), (cause) => cause), raw.size), replayable: true }
  }
  if (raw instanceof ReadableStream) {
    return ofStream(Stream.fromReadableStream<Uint8Array, unknown>(() => raw, (cause) => cause), length)
  }
  if (isAsyncIterable(raw)) return ofStream(Stream.fromAsyncIterable(raw, (cause) => cause), length)
  return new InvalidRequest({ reason: "Body", detail: "the raw body is of a kind that cannot be sent" })
}

/** How a platform body goes over the wire. @internal */
export const encodeBody = (body: HttpBody.HttpBody): EncodedBody | InvalidRequest => {
  switch (body._tag) {
    case "Empty":
      return noBody
    case "Uint8Array":
      return ofBytes(body.body)
    case "Raw":
      return ofRaw(body.body, body.contentLength)
    case "FormData":
      return ofForm(body.formData)
    case "Stream":
      return ofStream(body.stream, body.contentLength)
  }
}

const bodyFailed = (origin: string, cause: unknown) => new WriteError({ reason: "Body", origin, cause })

/**
 * What writes a streamed body: it pulls the next piece when the socket has taken the last one.
 *
 * @internal
 */
export const uploadOf = (
  stream: Stream.Stream<Uint8Array, unknown>,
  origin: string,
  fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
) =>
(sink: BodySink): () => void => {
  const upload = stream.pipe(
    Stream.mapError((cause) => bodyFailed(origin, cause)),
    Stream.runForEachChunk((chunk) =>
      Effect.async<void>((resume) => sink.write(Chunk.toReadonlyArray(chunk), () => resume(Effect.void)))
    ),
    Effect.matchCause({
      onSuccess: () => sink.end(),
      onFailure: (cause) => {
        // an interrupted upload belongs to an exchange that is already over
        if (Cause.isInterruptedOnly(cause)) return
        sink.fail(Option.getOrElse(Cause.failureOption(cause), () => bodyFailed(origin, Cause.squash(cause))))
      }
    })
  )
  const fiber = fork(upload)
  return () => fiber.unsafeInterruptAsFork(FiberId.none)
}

/** Whether a body can be sent a second time. @internal */
export const isReplayable = (body: HttpBody.HttpBody): boolean => {
  if (body._tag === "Stream") return false
  return body._tag !== "Raw" || typeof body.body === "string" || body.body instanceof Uint8Array
}
