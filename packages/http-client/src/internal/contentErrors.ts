/** Errors in what bodies are made of, and of calls that block; exported through `HttpError`. */
import * as Schema from "effect/Schema"

/**
 * A body is not what it was asked to be: not JSON (`Json`), text in a charset that nobody here can decode (`Charset`), or
 * lines of which one is longer than a mebibyte (`Line`). Nothing is wrong with its bytes.
 *
 * @since 0.1.0
 * @category errors
 */
export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", {
  reason: Schema.Literal("Json", "Charset", "Line")
}) {
  override get message(): string {
    switch (this.reason) {
      case "Json":
        return "The body is not JSON. It arrived whole; read it as text to see what it is."
      case "Charset":
        return "The body says that it is in a charset that is not known here. It can be read as bytes."
      case "Line":
        return "A line of the body is longer than 1048576 characters. The body can be read as bytes."
    }
  }
}

/**
 * A multipart body cannot be written or read. When writing: a boundary or a header that could be mistaken for something
 * else (`Boundary`, `Header`). When reading: no multipart/form-data, or no usable boundary in its type (`ContentType`),
 * a part without a name (`Name`), a line end or a delimiter where none may be (`Syntax`), an end before the end
 * (`Truncated`), or more than a limit allows (`Parts`, `HeaderBytes`, `Bytes`).
 *
 * @since 0.1.0
 * @category errors
 */
export class MultipartError extends Schema.TaggedError<MultipartError>()("MultipartError", {
  reason: Schema.Literal(
    "Boundary",
    "Header",
    "Length",
    "ContentType",
    "Name",
    "Syntax",
    "Truncated",
    "Parts",
    "HeaderBytes",
    "Bytes"
  ),
  maximum: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    return this.maximum === undefined
      ? `The multipart body is not acceptable (${this.reason}). Parts before are whole, the present one is not.`
      : `The multipart body is over the limit of ${this.maximum} ${this.reason}. Raise the limit if this is expected.`
  }
}

/**
 * A call that blocks could not be made or finished.
 *
 * - `Closed`: the session, pool, connection or socket was closed before
 * - `Nested`: called from inside the worker that answers such calls
 * - `SameThread`: the server listens on the thread that is blocked, so it can never answer
 * - `Abandoned`: the body was given up, because it was closed or too many later ones were left unread
 * - `Options`: an option or a body cannot be sent to the worker
 * - `Worker`: the worker did not start, died or failed
 *
 * @since 0.1.0
 * @category errors
 */
export class SyncError extends Schema.TaggedError<SyncError>()("SyncError", {
  reason: Schema.Literal("Closed", "Nested", "SameThread", "Abandoned", "Options", "Worker"),
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `The blocking call failed (${this.reason}): ${this.detail}.`
  }
}
