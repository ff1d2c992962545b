/** llhttp as undici ships it (WebAssembly), strict: the oracle of what a response says. */
import { createRequire } from "node:module"
import type { Reading } from "./readResponse.ts"

interface Exports {
  readonly memory: WebAssembly.Memory
  readonly malloc: (size: number) => number
  readonly llhttp_alloc: (type: number) => number
  readonly llhttp_free: (parser: number) => void
  readonly llhttp_execute: (parser: number, at: number, length: number) => number
  readonly llhttp_finish: (parser: number) => number
  readonly llhttp_get_error_pos: (parser: number) => number
  readonly llhttp_should_keep_alive: (parser: number) => number
  readonly llhttp_get_http_major: (parser: number) => number
  readonly llhttp_get_http_minor: (parser: number) => number
}

const isObject = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null

const isExports = (u: unknown): u is Exports =>
  isObject(u) && u["memory"] instanceof WebAssembly.Memory && typeof u["malloc"] === "function" &&
  typeof u["llhttp_alloc"] === "function" && typeof u["llhttp_execute"] === "function"

const RESPONSE = 2
const OK = 0
const PAUSED = 21
const capacity = 65_536

/** Reads a whole input as the response to `method`. */
export type Llhttp = (bytes: Uint8Array, method: string) => Reading

export const loadLlhttp = (): Llhttp => {
  const require = createRequire(import.meta.url)
  const wasm: unknown = require("undici/lib/llhttp/llhttp-wasm.js")
  if (!Buffer.isBuffer(wasm)) throw new Error("undici has not the llhttp that is the oracle")

  let informational: Array<number> = []
  let fields: Array<readonly [string, string]> = []
  let trailers: Array<readonly [string, string]> = []
  let section = fields
  let name = ""
  let value = ""
  let named = false
  let body = ""
  let status = 0
  let version = ""
  let keepAlive = false
  let skipBody = false
  let complete = false

  const text = (at: number, length: number) => Buffer.from(exported.memory.buffer, at, length).toString("latin1")
  const endField = () => {
    // node trims the white space that llhttp leaves at the end
    if (named) section.push([name.toLowerCase(), value.replace(/[\t ]+$/, "")])
    named = false
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(wasm)), {
    env: {
      wasm_on_url: () => OK,
      wasm_on_status: () => OK,
      wasm_on_message_begin: () => {
        fields = []
        section = fields
        body = ""
        return OK
      },
      wasm_on_header_field: (_: number, at: number, length: number) => {
        endField()
        name = text(at, length)
        value = ""
        named = true
        return OK
      },
      wasm_on_header_value: (_: number, at: number, length: number) => {
        value += text(at, length)
        return OK
      },
      wasm_on_headers_complete: (parser: number, code: number) => {
        endField()
        status = code
        version = `${exported.llhttp_get_http_major(parser)}.${exported.llhttp_get_http_minor(parser)}`
        trailers = []
        section = trailers
        return skipBody && code >= 200 ? 1 : OK
      },
      wasm_on_body: (_: number, at: number, length: number) => {
        body += text(at, length)
        return OK
      },
      wasm_on_message_complete: (parser: number) => {
        endField()
        if (status >= 200) {
          complete = true
          keepAlive = exported.llhttp_should_keep_alive(parser) !== 0
          return PAUSED
        }
        informational.push(status)
        return OK
      }
    }
  })
  const found: unknown = instance.exports
  if (!isExports(found)) throw new Error("undici's llhttp has not the functions that are used")
  const exported = found
  const start = exported.malloc(capacity)

  return (bytes, method) => {
    if (bytes.length > capacity) throw new Error(`an input has more than ${capacity} bytes`)
    informational = []
    fields = []
    trailers = []
    section = fields
    named = false
    body = ""
    status = 0
    complete = false
    skipBody = method === "HEAD"
    new Uint8Array(exported.memory.buffer, start, bytes.length).set(bytes)
    const parser = exported.llhttp_alloc(RESPONSE)
    const code = exported.llhttp_execute(parser, start, bytes.length)
    const size = complete && code === PAUSED ? exported.llhttp_get_error_pos(parser) - start : bytes.length
    if (code === OK && !complete) exported.llhttp_finish(parser)
    exported.llhttp_free(parser)
    return complete
      ? { response: { informational, version, status, fields, body, trailers, keepAlive }, size }
      : { response: undefined, reason: code === OK ? "Truncated" : `llhttp ${code}` }
  }
}
