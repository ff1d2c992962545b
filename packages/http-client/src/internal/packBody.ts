// @effect-diagnostics preferSchemaOverJson:off -- json takes any value, as platform's own bodies do
import { InvalidRequest } from "../HttpError.ts"
import type { BodyMessage } from "./modelCalls.ts"

/** The body options of a request. */
interface BodyOptions {
  readonly json?: unknown
  readonly body?: string | Uint8Array | URLSearchParams | FormData | Iterable<Uint8Array> | undefined
}

/** A body as it goes to the worker. @internal */
export interface PackedBody {
  readonly message: BodyMessage
  readonly transfer: ReadonlyArray<ArrayBuffer>
  /** Stays with the thread, which hands out its pieces. */
  readonly upload: Iterable<Uint8Array> | undefined
}

const ofBytes = (source: Uint8Array, contentType: string | undefined): PackedBody => {
  // of a view, the message would hold the whole buffer
  const bytes = new Uint8Array(source)
  return { message: { kind: "bytes", bytes, contentType }, transfer: [bytes.buffer], upload: undefined }
}

const ofText = (text: string, contentType: string): PackedBody => ofBytes(new TextEncoder().encode(text), contentType)

const ofForm = (form: FormData): PackedBody => {
  const entries = [...form].map(([name, value]) =>
    typeof value === "string"
      ? { name, value, filename: undefined }
      // the type of a File is lost between threads, its bytes are not copied
      : { name, value: new Blob([value], { type: value.type }), filename: value.name }
  )
  return { message: { kind: "form", entries }, transfer: [], upload: undefined }
}

const encodeJson = (value: unknown): string => {
  const refusal = new InvalidRequest({ reason: "Body", detail: "the value cannot be written as JSON" })
  try {
    const text: string | undefined = JSON.stringify(value)
    if (text === undefined) throw refusal
    return text
  } catch (cause) {
    // cycles and big integers
    if (cause instanceof TypeError) throw refusal
    throw cause
  }
}

/** @internal */
export const packBody = ({ body, json }: BodyOptions): PackedBody => {
  if (json !== undefined) return ofText(encodeJson(json), "application/json")
  if (body === undefined) return { message: { kind: "none" }, transfer: [], upload: undefined }
  if (typeof body === "string") return ofText(body, "text/plain")
  if (body instanceof Uint8Array) return ofBytes(body, undefined)
  if (body instanceof URLSearchParams) return ofText(body.toString(), "application/x-www-form-urlencoded")
  if (body instanceof FormData) return ofForm(body)
  return { message: { kind: "pulled" }, transfer: [], upload: body }
}
