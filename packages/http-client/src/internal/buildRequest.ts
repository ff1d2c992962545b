import type * as HttpBody from "@effect/platform/HttpBody"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import type * as UrlParams from "@effect/platform/UrlParams"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as HttpError from "../HttpError.ts"
import { urlOf } from "./prepareRequest.ts"

/** A request of any method, as the facades describe it. @internal */
export const buildRequest = (
  method: HttpMethod,
  url: string,
  body: HttpBody.HttpBody,
  headers: Readonly<Record<string, string>> = {},
  query?: UrlParams.Input
): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.modify(HttpClientRequest.make("GET")(url), { method }).pipe(
    query === undefined ? identity : HttpClientRequest.appendUrlParams(query),
    HttpClientRequest.setBody(body),
    HttpClientRequest.setHeaders(headers)
  )

/** What people without Effect get: the precise error instead of platform's around it. @internal */
export const preciseError = (error: HttpClientError): HttpClientError | HttpError.HttpError =>
  Option.getOrElse(HttpError.fromClientError(error), () => error)

/** The URL that answered, with its query. @internal */
export const answeredUrl = (response: HttpClientResponse): string => {
  const url = urlOf(response.request)
  return "_tag" in url ? response.request.url : url.href
}
