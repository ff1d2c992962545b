// @effect-diagnostics nodeBuiltinImport:off -- starts the nginx program
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, ContentCoding, HttpClient } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Zlib from "node:zlib"
import { haveOpenssl, makeAuthority } from "./servers/makeCertificates.ts"
import { freePort, isInstalled, isRequired, running, temporaryFolder } from "./servers/startProgram.ts"

const have = isInstalled("nginx") && haveOpenssl

const large = Crypto.randomBytes(16 * 1024 * 1024)
const page = "sennit ".repeat(1000)

const configuration = (folder: string, port: number, tlsPort: number) => `
daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1;
events { worker_connections 128; }
http {
  access_log off; default_type text/plain; gzip on; gzip_min_length 1; gzip_types text/plain; keepalive_requests 100000;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server {
    listen 127.0.0.1:${port}; listen 127.0.0.1:${tlsPort} ssl;
    ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
    root ${folder}/www;
  }
}`

const nginx = Effect.gen(function*() {
  if (!have) return yield* Effect.dieMessage("nginx and openssl are required: apt-get install nginx-light openssl")
  const folder = yield* temporaryFolder
  const { ca, issue } = yield* makeAuthority
  const { cert, key } = issue("DNS:localhost")
  const [port, tlsPort] = yield* Effect.all([freePort, freePort])
  Fs.chmodSync(folder, 0o755)
  Fs.mkdirSync(`${folder}/www`)
  Fs.writeFileSync(`${folder}/www/page.txt`, page)
  Fs.writeFileSync(`${folder}/www/large.bin`, large)
  Fs.writeFileSync(`${folder}/nginx.conf`, configuration(folder, port, tlsPort))
  Fs.writeFileSync(`${folder}/key.pem`, key)
  Fs.writeFileSync(`${folder}/cert.pem`, cert)
  yield* running("nginx", ["-c", `${folder}/nginx.conf`, "-p", folder, "-e", `${folder}/error.log`], port)
  const url = `http://127.0.0.1:${port}`
  return { url, tlsUrl: `https://localhost:${tlsPort}`, ca }
})

describe.skipIf(!have && !isRequired)("nginx (apt-get install nginx-light openssl)", () => {
  it.scopedLive("keep-alive, compressed chunks, ranges, HEAD and 404 over one connection", () =>
    Effect.gen(function*() {
      const { url } = yield* nginx
      const client = yield* HttpClient.HttpClient
      const plain = yield* Effect.repeatN(
        Effect.flatMap(client.get(`${url}/page.txt`), (response) => response.text),
        99
      )
      expect(plain).toBe(page)
      const gzip = yield* client.get(`${url}/page.txt`, { headers: { "accept-encoding": "gzip" } })
      expect([gzip.headers["content-encoding"], gzip.headers["transfer-encoding"]]).toEqual(["gzip", "chunked"])
      expect(Zlib.gunzipSync(new Uint8Array(yield* gzip.arrayBuffer)).toString()).toBe(page)
      const decoding = ContentCoding.withDecompression(client)
      expect(yield* Effect.flatMap(decoding.get(`${url}/page.txt`), (response) => response.text)).toBe(page)
      const part = yield* client.get(`${url}/page.txt`, { headers: { range: "bytes=0-5" } })
      expect([part.status, yield* part.text]).toEqual([206, "sennit"])
      const head = yield* client.execute(HttpClientRequest.head(`${url}/page.txt`))
      expect([head.headers["content-length"], yield* head.text]).toEqual([String(page.length), ""])
      expect((yield* client.get(`${url}/absent`)).status).toBe(404)
      const { created } = yield* Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
      const before = created
      yield* client.get(`${url}/page.txt`)
      expect(before).toBe((yield* Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)).created)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scopedLive("a large download arrives unchanged, plain and over TLS", () =>
    Effect.gen(function*() {
      const { ca, tlsUrl, url } = yield* nginx
      const digest = (target: string) =>
        Effect.flatMap(HttpClient.get(target), (response) =>
          Stream.runFold(response.stream, Crypto.createHash("sha256"), (hash, piece) => hash.update(piece))).pipe(
            Effect.map((hash) =>
              hash.digest("hex")
            ),
            Effect.provide(HttpClient.layerPooled({ tls: { ca } }))
          )
      const expected = Crypto.createHash("sha256").update(large).digest("hex")
      expect(yield* digest(`${url}/large.bin`)).toBe(expected)
      expect(yield* digest(`${tlsUrl}/large.bin`)).toBe(expected)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
