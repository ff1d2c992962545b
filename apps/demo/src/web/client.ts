/** The typed client, derived from the server's API, and the runtime that every action of the page runs on. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { DemoApi } from "../Api.ts"
import { MAX_FILE_BYTES, tooLarge, UploadRefusal } from "../ApiError.ts"
import { FileSummary } from "../Block.ts"

const runtime = ManagedRuntime.make(FetchHttpClient.layer)

export const fork = (effect: Effect.Effect<void, never, HttpClient.HttpClient>): void => {
  runtime.runFork(effect)
}

export const api = HttpApiClient.make(DemoApi, { baseUrl: globalThis.location.origin })

/** One of the sample files, as if the person had chosen it. */
export const sampleFile = Effect.fn("sampleFile")(function*(name: string) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const bytes = yield* Effect.flatMap(client.get(`/samples/${name}`), (response) => response.arrayBuffer)
  return new File([bytes], name)
})

/** Streams a file to the server; the browser reads it from disk as it goes. */
export const upload = Effect.fn("upload")(function*(conversation: string, file: File) {
  if (file.size > MAX_FILE_BYTES) return yield* tooLarge(file.name)
  const client = yield* HttpClient.HttpClient
  const address = `/api/conversations/${encodeURIComponent(conversation)}/files/${encodeURIComponent(file.name)}`
  const response = yield* HttpClientRequest.put(address).pipe(
    HttpClientRequest.setBody(HttpBody.raw(file, { contentType: "application/octet-stream" })),
    client.execute
  )
  if (response.status === 200) return yield* HttpClientResponse.schemaBodyJson(FileSummary)(response)
  return yield* Effect.flatMap(HttpClientResponse.schemaBodyJson(UploadRefusal)(response), Effect.fail)
})
