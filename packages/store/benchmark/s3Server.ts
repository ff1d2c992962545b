// @effect-diagnostics nodeBuiltinImport:off globalConsole:off asyncFunction:off a process of its own that answers as S3 does
/** Takes S3 requests with as little work as can be: what is compared are clients. Prints its port. */
import { createHash } from "node:crypto"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"

const objects = new Map<string, { readonly body: Buffer; readonly size: number; readonly etag: string }>()
const uploads = new Map<string, Map<number, number>>()

/** Small bodies are kept, large ones only counted. */
const read = async (request: IncomingMessage) => {
  const kept: Array<Buffer> = []
  let size = 0
  for await (const piece of request) {
    if (!Buffer.isBuffer(piece)) continue
    size += piece.length
    if (size <= 4096) kept.push(piece)
  }
  return { body: Buffer.concat(kept), size }
}

const xml = (response: ServerResponse, text: string) =>
  response.writeHead(200, { "content-type": "application/xml" }).end(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`)

const put = (key: string, query: URLSearchParams, body: Buffer, size: number, response: ServerResponse) => {
  const upload = uploads.get(query.get("uploadId") ?? "")
  const number = Number(query.get("partNumber"))
  const etag = upload === undefined ? `"${createHash("md5").update(body).digest("hex")}"` : `"part-${number}"`
  if (upload === undefined) objects.set(key, { body, size, etag })
  else upload.set(number, size)
  response.writeHead(200, { etag, "content-length": 0 }).end()
}

const post = (key: string, query: URLSearchParams, response: ServerResponse) => {
  if (query.has("uploads")) {
    const id = `upload-${uploads.size}`
    uploads.set(id, new Map())
    const names = `<Bucket>bucket</Bucket><Key>${key}</Key>`
    xml(response, `<InitiateMultipartUploadResult>${names}<UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    return
  }
  const parts = uploads.get(query.get("uploadId") ?? "") ?? new Map<number, number>()
  const size = [...parts.values()].reduce((sum, part) => sum + part, 0)
  const etag = `"whole-${parts.size}"`
  objects.set(key, { body: Buffer.alloc(0), size, etag })
  xml(response, `<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`)
}

const get = (key: string, method: string | undefined, response: ServerResponse) => {
  const found = objects.get(key)
  if (found === undefined) return response.writeHead(404).end()
  const { body, etag, size } = found
  const headers = { etag, "content-length": size, "last-modified": new Date().toUTCString() }
  return response.writeHead(200, headers).end(method === "GET" ? body : undefined)
}

const server = createServer((request, response) => {
  const answer = async () => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost")
    const { body, size } = await read(request)
    if (request.method === "PUT") put(pathname, searchParams, body, size, response)
    else if (request.method === "POST") post(pathname, searchParams, response)
    else get(pathname, request.method, response)
  }
  void answer()
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  console.log(typeof address === "object" ? address?.port : "")
})
