/**
 * What a recorder writes: a part of HAR 1.2 (HTTP Archive), which browsers and other tools write and read as well.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"

const Pair = Schema.Struct({ name: Schema.String, value: Schema.String })

/** Bytes: text where `encoding` is absent, else base64. */
const Content = Schema.Struct({
  size: Schema.Number,
  mimeType: Schema.String,
  text: Schema.optional(Schema.String),
  encoding: Schema.optional(Schema.Literal("base64"))
})

/** The same for a request; HAR has no encoding there, and lets fields of one's own begin with an underscore. */
const PostData = Schema.Struct({
  mimeType: Schema.String,
  text: Schema.String,
  _encoding: Schema.optional(Schema.Literal("base64"))
})

/**
 * One request with its response.
 *
 * @since 0.1.0
 * @category models
 */
export const Entry = Schema.Struct({
  startedDateTime: Schema.String,
  time: Schema.Number,
  request: Schema.Struct({
    method: Schema.String,
    url: Schema.String,
    httpVersion: Schema.String,
    headers: Schema.Array(Pair),
    postData: Schema.optional(PostData)
  }),
  response: Schema.Struct({
    status: Schema.Number,
    statusText: Schema.String,
    httpVersion: Schema.String,
    headers: Schema.Array(Pair),
    content: Content
  })
})

/**
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/**
 * @since 0.1.0
 * @category models
 */
export const Recording = Schema.Struct({
  log: Schema.Struct({
    version: Schema.Literal("1.2"),
    creator: Schema.Struct({ name: Schema.String, version: Schema.String }),
    entries: Schema.Array(Entry)
  })
})

/**
 * @since 0.1.0
 * @category models
 */
export type Recording = typeof Recording.Type

const Json = Schema.parseJson(Recording, { space: 2 })

/**
 * Read a recording from a file.
 *
 * @since 0.1.0
 * @category files
 */
export const read = Effect.fn("Recording.read")(
  function*(path: string): Effect.fn.Return<Recording, PlatformError | ParseError, FileSystem.FileSystem> {
    const files = yield* FileSystem.FileSystem
    return yield* Effect.flatMap(files.readFileString(path), Schema.decode(Json))
  }
)

/**
 * Write a recording to a file.
 *
 * @since 0.1.0
 * @category files
 */
export const write = Effect.fn("Recording.write")(
  function*(
    path: string,
    recording: Recording
  ): Effect.fn.Return<void, PlatformError | ParseError, FileSystem.FileSystem> {
    const files = yield* FileSystem.FileSystem
    yield* Effect.flatMap(Schema.encode(Json)(recording), (text) => files.writeFileString(path, `${text}\n`))
  }
)
