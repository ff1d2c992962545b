// @effect-diagnostics nodeBuiltinImport:off writes what nginx serves
import { FetchHttpClient } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Http } from "@sennit/store"
import { Chunk, Effect, Stream } from "effect"
import * as Fs from "node:fs"
import { freePort, isInstalled, isRequired, running } from "./servers/startServer.ts"
import { tempFolder } from "./support/tempFolder.ts"

const have = isInstalled("nginx")

const configuration = (folder: string, port: number) => `
daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1;
events { worker_connections 64; }
http {
  access_log off; default_type application/octet-stream;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server { listen 127.0.0.1:${port}; root ${folder}/www; }
}`

const large = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >>> 8) * 17) & 0xff)

const equal = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

const nginx = Effect.gen(function*() {
  const folder = yield* tempFolder
  const port = yield* freePort
  Fs.chmodSync(folder, 0o755)
  Fs.mkdirSync(`${folder}/www/ä b`, { recursive: true })
  Fs.writeFileSync(`${folder}/www/large.bin`, large)
  Fs.writeFileSync(`${folder}/www/ä b/%2e.txt`, "grüße")
  Fs.writeFileSync(`${folder}/nginx.conf`, configuration(folder, port))
  yield* running("nginx", ["-c", `${folder}/nginx.conf`, "-p", folder, "-e", `${folder}/error.log`], port)
  return { folder, store: yield* Http.make({ baseUrl: `http://127.0.0.1:${port}` }) }
}).pipe(Effect.provide(FetchHttpClient.layer))

describe.skipIf(!have && !isRequired)("nginx read over HTTP (apt-get install nginx-light)", () => {
  it.scopedLive("gives whole objects, parts of them and what is known of them", () =>
    Effect.gen(function*() {
      const { store } = yield* nginx
      const info = yield* store.stat("large.bin")
      expect(info.size).toBe(large.length)
      expect(equal(yield* store.readBytes("large.bin"), large)).toBe(true)
      expect(yield* store.readText("ä b/%2e.txt")).toBe("grüße")
      const { etag } = info
      const cases = [
        [{ offset: 100, length: 5 }, 100, 105],
        [{ offset: 2_999_999, length: 50 }, 2_999_999, 3_000_000],
        [{ offset: 3_000_000 }, 0, 0],
        [{ offset: 9, length: 0 }, 0, 0],
        [{ suffix: 4 }, 2_999_996, 3_000_000],
        [{ suffix: 4_000_000 }, 0, 3_000_000],
        [{ suffix: 0 }, 0, 0]
      ] as const
      for (const [range, start, end] of cases) {
        const expected = large.subarray(start, end)
        expect(equal(yield* store.readBytes("large.bin", { range }), expected)).toBe(true)
        expect(equal(yield* store.readBytes("large.bin", { range, ifMatch: etag }), expected)).toBe(true)
      }
      const pieces = yield* Stream.runCollect(store.read("large.bin"))
      expect(Chunk.reduce(pieces, 0, (length, piece) => length + piece.length)).toBe(large.length)
      expect(yield* store.exists("none")).toBe(false)
      expect(yield* Effect.flip(store.stat("none/below"))).toMatchObject({ _tag: "NotFound" })
    }))

  it.scopedLive("pins a read to a version", () =>
    Effect.gen(function*() {
      const { folder, store } = yield* nginx
      const { etag } = yield* store.stat("large.bin")
      Fs.writeFileSync(`${folder}/www/large.bin`, "short")
      for (const range of [{ offset: 0 }, { offset: 0, length: 2 }, { offset: 9 }, { suffix: 1 }]) {
        expect(yield* Effect.flip(store.readBytes("large.bin", { range, ifMatch: etag })))
          .toMatchObject({ _tag: "PreconditionFailed" })
      }
      expect(yield* store.readText("large.bin")).toBe("short")
    }))
})
