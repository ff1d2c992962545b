// @effect-diagnostics nodeBuiltinImport:off a server for S3's verbs that ignores every condition and range
/** As some small S3 servers are: they take conditions and act as if there were none. Signatures are not looked at. */
import { Effect } from "effect"
import { createHash, randomUUID } from "node:crypto"
import * as Http from "node:http"
import { listening } from "./startServer.ts"

interface Stored {
  readonly bytes: Buffer
  readonly etag: string
  readonly headers: { readonly [name: string]: string }
}

const store = (bytes: Buffer, request: Http.IncomingMessage): Stored => ({
  bytes,
  etag: `"${createHash("md5").update(bytes).digest("hex")}"`,
  headers: { "content-type": request.headers["content-type"] ?? "binary/octet-stream" }
})

const read = (request: Http.IncomingMessage): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const pieces: Array<Buffer> = []
    request.on("data", (piece: Buffer) => pieces.push(piece))
    request.on("end", () => resolve(Buffer.concat(pieces)))
    request.on("error", reject)
  })

/** Starts it until the scope ends. `seen` are the requests. */
export const carelessS3 = Effect.gen(function*() {
  const objects = new Map<string, Stored>()
  const uploads = new Map<string, Map<number, Buffer>>()
  const seen: Array<string> = []
  const put = (key: string, stored: Stored, response: Http.ServerResponse) => {
    objects.set(key, stored)
    response.writeHead(200, { etag: stored.etag }).end()
  }
  const post = (key: string, query: URLSearchParams, request: Http.IncomingMessage, response: Http.ServerResponse) => {
    if (query.has("uploads")) {
      const id = randomUUID()
      uploads.set(id, new Map())
      const result = "InitiateMultipartUploadResult"
      return response.end(`<${result}><UploadId>${id}</UploadId></${result}>`)
    }
    const parts = uploads.get(query.get("uploadId") ?? "") ?? new Map<number, Buffer>()
    uploads.delete(query.get("uploadId") ?? "")
    const stored = store(Buffer.concat([...parts].toSorted(([a], [b]) => a - b).map(([, part]) => part)), request)
    objects.set(key, stored)
    const result = "CompleteMultipartUploadResult"
    return response.end(`<${result}><ETag>${stored.etag.replaceAll("\"", "&quot;")}</ETag></${result}>`)
  }
  const list = (query: URLSearchParams, response: Http.ServerResponse) => {
    const keys = [...objects.keys()].filter((key) => key.startsWith(query.get("prefix") ?? ""))
    const contents = keys.map((key) => `<Contents><Key>${encodeURIComponent(key)}</Key></Contents>`).join("")
    response.end(`<ListBucketResult>${contents}</ListBucketResult>`)
  }
  const get = (key: string, response: Http.ServerResponse, withBody: boolean) => {
    const stored = objects.get(key)
    if (stored === undefined) return response.writeHead(404).end()
    const headers = {
      ...stored.headers,
      etag: stored.etag,
      "content-length": stored.bytes.length,
      "last-modified": new Date().toUTCString()
    }
    return response.writeHead(200, headers).end(withBody ? stored.bytes : undefined)
  }
  const answer = async (request: Http.IncomingMessage, response: Http.ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost")
    const key = decodeURIComponent(pathname.split("/").slice(2).join("/"))
    const bytes = await read(request)
    seen.push(`${request.method} ${request.url}`)
    const upload = uploads.get(searchParams.get("uploadId") ?? "")
    if (request.method === "PUT" && upload !== undefined) {
      upload.set(Number(searchParams.get("partNumber")), bytes)
      return response.writeHead(200, { etag: "\"part\"" }).end()
    }
    if (request.method === "PUT") return put(key, store(bytes, request), response)
    if (request.method === "POST") return post(key, searchParams, request, response)
    if (request.method === "DELETE") {
      objects.delete(key)
      uploads.delete(searchParams.get("uploadId") ?? "")
      return response.writeHead(204).end()
    }
    return key === "" ? list(searchParams, response) : get(key, response, request.method === "GET")
  }
  const port = yield* listening(Http.createServer((request, response) => void answer(request, response)))
  return { endpoint: `http://127.0.0.1:${port}`, seen, objects, uploads }
})
