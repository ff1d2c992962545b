// @effect-diagnostics asyncFunction:off -- the peers speak promises
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Layer from "effect/Layer"

const load = async <A>(name: string, isPeer: (module: unknown) => module is A): Promise<A> => {
  const module: unknown = await import(name)
  if (!isPeer(module)) throw new Error(`${name} has not what is measured`)
  return module
}

const has = <K extends string>(u: unknown, ...keys: ReadonlyArray<K>): u is Record<K, unknown> =>
  typeof u === "object" && u !== null && keys.every((key) => key in u)

interface UndiciBody extends AsyncIterable<Uint8Array> {
  readonly text: () => Promise<string>
}

export interface UndiciHandler {
  readonly onRequestStart: () => void
  readonly onResponseStart: (controller: unknown, status: number) => void
  readonly onResponseData: (controller: unknown, chunk: Uint8Array) => void
  readonly onResponseEnd: () => void
  readonly onResponseError: (controller: unknown, error: Error) => void
}

export interface UndiciDispatcher {
  readonly close: () => Promise<void>
  readonly dispatch: (
    options: { readonly origin: string; readonly path: string; readonly method: string },
    handler: UndiciHandler
  ) => boolean
}

interface Undici {
  readonly Agent: new(
    options: { readonly connections: number; readonly connect?: { readonly ca: string } }
  ) => UndiciDispatcher
  readonly Client: new(url: string, options: { readonly pipelining: number }) => UndiciDispatcher
  readonly request: (
    url: string,
    options: {
      readonly dispatcher: UndiciDispatcher
      readonly method?: string
      readonly headers?: Record<string, string>
      readonly body?: AsyncIterable<Uint8Array>
    }
  ) => Promise<{ readonly body: UndiciBody }>
}

export const undici = (): Promise<Undici> =>
  load("undici", (module): module is Undici => has(module, "Agent", "Client", "request"))

interface NodeClient {
  readonly layerUndici: Layer.Layer<HttpClient.HttpClient>
}

export const nodeClient = (): Promise<NodeClient> =>
  load("@effect/platform-node/NodeHttpClient", (module): module is NodeClient => has(module, "layerUndici"))

interface Got {
  readonly got: {
    readonly extend: (
      options: { readonly agent: { readonly http: unknown }; readonly retry: { readonly limit: 0 } }
    ) => (
      url: string
    ) => { readonly text: () => Promise<string> }
  }
}

export const got = (): Promise<Got> => load("got", (module): module is Got => has(module, "got"))

interface Axios {
  readonly default: {
    readonly create: (options: { readonly httpAgent: unknown; readonly responseType: "text" }) => {
      readonly get: (url: string) => Promise<{ readonly data: string }>
    }
  }
}

export const axios = (): Promise<Axios> => load("axios", (module): module is Axios => has(module, "default"))
