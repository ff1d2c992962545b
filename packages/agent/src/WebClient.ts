/**
 * The port through which tools reach addresses that a model or a page chose.
 *
 * @since 0.1.0
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Context from "effect/Context"

/**
 * An HTTP client that its provider has guarded: it must refuse private,
 * loopback, link-local and metadata addresses at connect time, and on every
 * redirect. The package has no layer for it on purpose: a plain client here
 * would let any web page that a model reads reach your internal network.
 *
 * @since 0.1.0
 * @category services
 */
export class WebClient extends Context.Tag("@sennit/agent/WebClient")<WebClient, HttpClient>() {}
