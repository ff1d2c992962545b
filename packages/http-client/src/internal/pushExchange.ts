import type { HttpError } from "../HttpError.ts"
import type { Field, ResponseHead } from "./modelResponse.ts"
import type { Origin } from "./openSocket.ts"
import { Exchange } from "./runExchange.ts"
import type { WireRequest } from "./runExchange.ts"

/**
 * What is told of a response, in this order: its head, its body in pieces, its end; or one failure.
 *
 * @since 0.1.0
 * @category models
 */
export interface DispatchHandler {
  readonly onHead: (head: ResponseHead) => void
  /** The bytes are a view that is valid only during the call. */
  readonly onBody: (view: Uint8Array) => void
  readonly onEnd: (trailers: ReadonlyArray<Field>) => void
  /** Nothing follows. */
  readonly onError: (error: HttpError) => void
}

/** Hands everything on as it arrives, and keeps nothing. @internal */
export class PushedExchange extends Exchange {
  readonly #handler: DispatchHandler

  constructor(origin: Origin, request: WireRequest, handler: DispatchHandler) {
    super(origin, request)
    this.#handler = handler
    this.attached = true
  }

  onHead(head: ResponseHead): void {
    this.head = head
    this.remoteAddress = this.carrier?.remoteAddress
    if (!this.cancelled) this.#handler.onHead(head)
  }

  onBody(view: Uint8Array): boolean {
    this.received += view.length
    if (!this.cancelled) this.#handler.onBody(view)
    return false
  }

  onEnd(trailers: ReadonlyArray<Field>): void {
    this.trailers = trailers
    this.ended = true
    this.paused = false
    if (!this.cancelled) this.#handler.onEnd(trailers)
  }

  protected onFailure(failure: HttpError): void {
    if (!this.cancelled) this.#handler.onError(failure)
  }
}
