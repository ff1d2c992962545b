import * as Option from "effect/Option"
import type { ModelError } from "../AgentError.ts"
import type { ModelEvent } from "../ChatModel.ts"
import { SseDecoder } from "./decodeSse.ts"
import { readModelChunk } from "./readModelChunk.ts"

type Fields = ConstructorParameters<typeof ModelError>[0]

/** @internal Makes an error that names the model and its address. */
export type Failure = (fields: Pick<Fields, "reason" | "detail"> & Partial<Fields>) => ModelError

/** @internal */
export const reasonOfStatus = (status: number): ModelError["reason"] =>
  status === 401 || status === 403
    ? "Unauthorized"
    : status === 408
    ? "Timeout"
    : status === 429
    ? "RateLimited"
    : status >= 500
    ? "ServerError"
    : "Rejected"

/** @internal Bytes in, events out, with what is left over kept for the next chunk. */
export class ModelReader {
  done = false
  private finished = false
  private size = 0
  private readonly decoder = new SseDecoder()
  constructor(private readonly failure: Failure, private readonly limit: number) {}

  read(pieces: ReadonlyArray<Uint8Array>): Array<ModelEvent> | ModelError {
    const events: Array<ModelEvent> = []
    for (const bytes of pieces) {
      this.size += bytes.byteLength
      if (this.size > this.limit) {
        return this.failure({ reason: "TooLarge", detail: `The answer is larger than ${this.limit} bytes.` })
      }
      for (const payload of this.decoder.push(bytes)) {
        if (this.done) break
        const problem = this.payload(payload, events)
        if (problem !== undefined) return problem
      }
    }
    return events
  }

  /** The connection ended or broke: that is an error unless the answer was said to be complete. */
  end(error: Option.Option<ModelError>): ModelError | undefined {
    if (this.finished) return undefined
    const where = this.decoder.held > 0 ? "a line" : "the answer"
    return Option.getOrElse(
      error,
      () => this.failure({ reason: "Truncated", detail: `The connection ended within ${where}.` })
    )
  }

  private payload(payload: string, events: Array<ModelEvent>): ModelError | undefined {
    if (payload === "[DONE]") {
      this.done = true
      if (!this.finished) events.push({ _tag: "Finish", reason: "unknown" })
      this.finished = true
      return undefined
    }
    const chunk = readModelChunk(payload)
    switch (chunk._tag) {
      case "Malformed":
        return this.failure({ reason: "Malformed", detail: chunk.detail })
      case "Refused":
        return this.failure({
          reason: chunk.code === undefined ? "ServerError" : reasonOfStatus(chunk.code),
          detail: chunk.detail
        })
      case "Events":
        this.finished ||= chunk.finished
        events.push(...chunk.events)
        return undefined
    }
  }
}
