/**
 * Fills the `WebClient` port with `@sennit/http-client`: addresses inside a network are refused before a connection is
 * made, redirects are followed with the same guard, and credentials do not follow to another origin.
 *
 * @since 0.1.0
 */
import { HttpClient, type HttpConfig, Redirect, SsrfGuard } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { WebClient } from "../WebClient.ts"

/**
 * `hosts` are private hosts that may be reached all the same, as `host` or `host:port`; the other options are those of
 * the connection pool.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<HttpConfig.PoolOptions, "ssrfGuard"> {
  readonly hosts?: ReadonlyArray<string> | undefined
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = ({ hosts = [], ...pool }: Options = {}): Layer.Layer<WebClient> =>
  Layer.effect(WebClient, Effect.map(HttpClient.HttpClient, Redirect.withRedirects({ max: 5 }))).pipe(
    Layer.provide(HttpClient.layerPooled({ ...pool, ssrfGuard: SsrfGuard.publicOr({ hosts }) }))
  )
