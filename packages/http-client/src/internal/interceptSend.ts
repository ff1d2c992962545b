import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"

/** Sends one request. @internal */
export type Send<E, R> = (request: HttpClientRequest) => Effect.Effect<HttpClientResponse, E, R>

/** Platform's clients run in two stages; what prepares a request (base URL, credentials) must run once, not per send. */
interface Staged<E, R> {
  readonly preprocess: HttpClient.HttpClient.Preprocess<E, R>
  readonly postprocess: HttpClient.HttpClient.Postprocess<E, R>
}

const isStaged = <E, R>(
  client: HttpClient.HttpClient.With<E, R>
): client is HttpClient.HttpClient.With<E, R> & Staged<E, R> =>
  Predicate.hasProperty(client, "preprocess") && Predicate.isFunction(client.preprocess) &&
  Predicate.hasProperty(client, "postprocess") && Predicate.isFunction(client.postprocess)

/**
 * A client whose requests go through `around`, which may send any number of requests to answer one. What the client did
 * to a request before (`mapRequest`) is done once, before `around` sees it.
 *
 * @internal
 */
export const interceptSend = <E, R, E2, R2>(
  self: HttpClient.HttpClient.With<E, R>,
  around: (send: Send<E, R>, request: HttpClientRequest) => Effect.Effect<HttpClientResponse, E2, R2>
): HttpClient.HttpClient.With<E | E2, R | R2> =>
  isStaged(self)
    ? HttpClient.makeWith<E, R, E | E2, R | R2>(
      Effect.flatMap((request) => around((one) => self.postprocess(Effect.succeed(one)), request)),
      self.preprocess
    )
    : HttpClient.makeWith<never, never, E | E2, R | R2>(
      Effect.flatMap((request) => around(self.execute, request)),
      Effect.succeed
    )

/** What a response of this package has: its body is given up without being read. @internal */
export const abandon: unique symbol = Symbol("@sennit/http-client/abandon")

const isAbandonable = (response: object): response is { readonly [abandon]: Effect.Effect<void> } =>
  Predicate.hasProperty(response, abandon)

/**
 * Nobody will read the body of this response: the connection is given back, or closed. Another client's response is
 * read to its end, which is the only way to give its connection back.
 *
 * @internal
 */
export const leave = (response: HttpClientResponse): Effect.Effect<void> =>
  isAbandonable(response)
    ? response[abandon]
    : Effect.ignore(Stream.runDrain(response.stream))
