/**
 * What the server and the page agree on: the typed API and the events of `GET /api/events`.
 * This module runs in the browser too, so it imports no Node code.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"
import { Person } from "./Person.ts"

/** A file of a conversation: its name is its identity there; `size` in bytes. */
export const FileSummary = Schema.Struct({ name: Schema.String, size: Schema.Number })
export type FileSummary = typeof FileSummary.Type

/** One line of the conversation list; `updatedAt` is epoch milliseconds. */
export class ConversationSummary extends Schema.Class<ConversationSummary>("ConversationSummary")({
  id: Schema.String,
  title: Schema.String,
  updatedAt: Schema.Number,
  running: Schema.Boolean,
  /** An answer waits for a decision of the person. */
  waiting: Schema.Boolean,
  /** Of a search: the words around what was found. */
  hit: Schema.optional(Schema.String)
}) {}

/** What the person asked; times are epoch milliseconds. */
export const Question = Schema.Struct({
  type: Schema.Literal("question"),
  id: Schema.String,
  at: Schema.Number,
  text: Schema.String,
  attachments: Schema.Array(FileSummary)
})

/** A stretch of the answer between two tool calls, in Markdown. */
export const Text = Schema.Struct({ type: Schema.Literal("text"), id: Schema.String, text: Schema.String })

/** A file that a tool made; `type` is its media type. */
export const MadeFile = Schema.Struct({ ...FileSummary.fields, type: Schema.String })
export type MadeFile = typeof MadeFile.Type

/**
 * One tool call; `arguments` is JSON text, `result` is what the model was given. `arriving`: the model still writes the
 * arguments; `waiting`: it is run only when the person allows it, by `callId`. What is `untrusted` was written by strangers: a page or a document.
 */
export const Tool = Schema.Struct({
  type: Schema.Literal("tool"),
  id: Schema.String,
  callId: Schema.String,
  name: Schema.String,
  arguments: Schema.String,
  status: Schema.Literal("arriving", "waiting", "running", "done", "failed", "stopped", "refused"),
  result: Schema.String,
  files: Schema.Array(MadeFile),
  untrusted: Schema.Boolean,
  startedAt: Schema.Number,
  durationMs: Schema.Number
})

/** How far a run is, and what it has used; not shown in the thread. */
export const Run = Schema.Struct({
  type: Schema.Literal("run"),
  id: Schema.String,
  startedAt: Schema.Number,
  steps: Schema.Number,
  toolCalls: Schema.Number,
  inputTokens: Schema.Number,
  outputTokens: Schema.Number,
  /** Null while it goes on. */
  durationMs: Schema.NullOr(Schema.Number)
})

/** What happened to an answer, in words. */
export const Notice = Schema.Struct({ type: Schema.Literal("notice"), id: Schema.String, text: Schema.String })

/** How a run ended, and which model answered. */
export const Finish = Schema.Struct({
  type: Schema.Literal("finish"),
  id: Schema.String,
  outcome: Schema.Literal("completed", "limited", "stopped", "failed", "interrupted"),
  model: Schema.String,
  message: Schema.String,
  durationMs: Schema.Number,
  /** Tools whose results are kept. */
  toolsDone: Schema.Number
})

/** A block of the thread, in the order in which it happened. The id is unique in the conversation. */
export const Block = Schema.Union(Question, Text, Tool, Run, Notice, Finish)
export type Block = typeof Block.Type

/** A conversation as it stood at event `at`; later events of the stream bring it up to date. */
export class Conversation extends Schema.Class<Conversation>("Conversation")({
  summary: ConversationSummary,
  blocks: Schema.Array(Block),
  files: Schema.Array(FileSummary),
  at: Schema.String
}) {}

export class MemorySummary extends Schema.Class<MemorySummary>("MemorySummary")({
  id: Schema.String,
  text: Schema.String,
  type: Schema.String,
  savedAt: Schema.Number,
  /** One more with every correction. */
  version: Schema.Number,
  /** Since when, and until when, it is so; null while it holds. */
  validFrom: Schema.Number,
  validTo: Schema.NullOr(Schema.Number),
  /** Why it was recalled: parts that add up to the score. */
  why: Schema.optional(Schema.Struct({
    score: Schema.Number,
    parts: Schema.Array(Schema.Struct({ name: Schema.String, share: Schema.Number }))
  }))
}) {}

/** What a memory said from one version on. */
export class MemoryRevision extends Schema.Class<MemoryRevision>("MemoryRevision")({
  version: Schema.Number,
  text: Schema.String,
  recordedAt: Schema.Number
}) {}

/** A record of the database: the bytes that are there, and what they say to who has the key. */
export class StoredRecord extends Schema.Class<StoredRecord>("StoredRecord")({
  table: Schema.String,
  /** In clear in the database, like time and size. */
  row: Schema.String,
  time: Schema.String,
  size: Schema.Number,
  /** The first bytes, in hexadecimal. */
  head: Schema.String,
  /** Id of the person's data key, and of the key that protects it. */
  dataKey: Schema.String,
  wrappedBy: Schema.String,
  /** What it says, or its beginning. */
  clear: Schema.String
}) {}

/** Who can answer; `id` is given with a question. */
export const ModelSummary = Schema.Struct({
  id: Schema.Literal("planner", "model"),
  name: Schema.String
})
export type ModelSummary = typeof ModelSummary.Type

/** The beginning of a file, for people. */
export const Preview = Schema.Union(
  Schema.Struct({
    type: Schema.Literal("table"),
    rows: Schema.Array(Schema.Array(Schema.String)),
    isWhole: Schema.Boolean
  }),
  Schema.Struct({ type: Schema.Literal("text"), text: Schema.String, isWhole: Schema.Boolean }),
  Schema.Struct({ type: Schema.Literal("image") }),
  /** Nothing can be shown; `why` says so. */
  Schema.Struct({ type: Schema.Literal("none"), why: Schema.String })
)
export type Preview = typeof Preview.Type

/** What the page says about the server it talks to. */
export class ServerInfo extends Schema.Class<ServerInfo>("ServerInfo")({
  /** The first one answers when none is asked for. */
  models: Schema.NonEmptyArray(ModelSummary),
  /** What one answer may use. */
  limits: Schema.Struct({ steps: Schema.Number, toolCalls: Schema.Number, seconds: Schema.Number }),
  dataFolder: Schema.String,
  /** Whom it serves. */
  person: Schema.String,
  keySource: Schema.String,
  /** Where conversations and attached files are kept, in words for people. */
  sessionsIn: Schema.String,
  filesIn: Schema.String,
  /** What lies on this disk unencrypted. */
  inClear: Schema.Array(Schema.String)
}) {}

/** What the assistant can use. */
export class ToolList extends Schema.Class<ToolList>("ToolList")({
  tools: Schema.Array(Schema.Struct({
    name: Schema.String,
    description: Schema.String,
    /** Whether each call waits for the person. */
    asks: Schema.Boolean
  })),
  /** MCP servers: those that are connected give tools called `name__tool`. */
  servers: Schema.Array(Schema.Struct({
    name: Schema.String,
    connected: Schema.Boolean,
    detail: Schema.String,
    /** Tools that are not offered, and why. */
    withheld: Schema.Array(Schema.Struct({ name: Schema.String, why: Schema.String }))
  }))
}) {}

const Check = Schema.Struct({ name: Schema.String, ok: Schema.Boolean, detail: Schema.String })

/** What `GET /health` answers, with status 503 when something fails. */
export class HealthReport extends Schema.Class<HealthReport>("HealthReport")({
  status: Schema.Literal("ok", "failing"),
  checks: Schema.Array(Check)
}) {}

/** One event of `GET /api/events`. A delta's `offset` says where in the block's text it belongs, so a repeat is harmless. */
export const UiEvent = Schema.Union(
  Schema.Struct({ type: Schema.Literal("conversation"), conversation: ConversationSummary }),
  Schema.Struct({ type: Schema.Literal("removed"), conversation: Schema.String }),
  Schema.Struct({ type: Schema.Literal("block"), conversation: Schema.String, block: Block }),
  Schema.Struct({
    type: Schema.Literal("delta"),
    conversation: Schema.String,
    block: Schema.String,
    offset: Schema.Number,
    text: Schema.String
  })
)
export type UiEvent = typeof UiEvent.Type

/** The payload of one server-sent event: what happened in one flush, oldest first. */
export const UiEvents = Schema.parseJson(Schema.Array(UiEvent))

export class NoSuchConversation extends Schema.TaggedError<NoSuchConversation>()(
  "NoSuchConversation",
  { id: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {
  override get message() {
    return `No such conversation: ${this.id}.`
  }
}

export class ConversationBusy extends Schema.TaggedError<ConversationBusy>()(
  "ConversationBusy",
  { id: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return "This conversation is still being answered. Your text is kept: stop the answer or wait for its end, then send again."
  }
}

export class NothingToDecide extends Schema.TaggedError<NothingToDecide>()(
  "NothingToDecide",
  {},
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return "Nothing waits for this decision any more: it was made, or the answer was stopped. Nothing was run because of it."
  }
}

export class TooManyRuns extends Schema.TaggedError<TooManyRuns>()(
  "TooManyRuns",
  { limit: Schema.Number },
  HttpApiSchema.annotations({ status: 429 })
) {
  override get message() {
    return `The server already answers ${this.limit} questions. Your text is kept: send again in a moment.`
  }
}

export class FileRefused extends Schema.TaggedError<FileRefused>()(
  "FileRefused",
  {
    name: Schema.String,
    reason: Schema.Literal("TooLarge", "BadName", "Empty", "NoSuchFile", "Incomplete", "BadType"),
    detail: Schema.String
  },
  HttpApiSchema.annotations({ status: 400 })
) {
  override get message() {
    return `${this.name}: ${this.detail} Nothing was stored.`
  }
}

/** The largest file that can be attached, in bytes: what the agent's tools read at most. */
export const MAX_FILE_BYTES = 50_000_000

/** Said before a byte is sent where the size is known, and while they arrive where it is not. */
export const tooLarge = (name: string): FileRefused =>
  new FileRefused({
    name,
    reason: "TooLarge",
    detail: `The file has more than ${MAX_FILE_BYTES / 1_000_000} MB, which is what the tools can read.`
  })

/** The connection broke before all of the file had come. */
export const cutOff = (name: string): FileRefused =>
  new FileRefused({ name, reason: "Incomplete", detail: "The upload was cut off. Attach it again." })

/** The disk, the database or a key refused; `detail` says what is safe and what to do. */
export class StorageFailed extends Schema.TaggedError<StorageFailed>()(
  "StorageFailed",
  { detail: Schema.String },
  HttpApiSchema.annotations({ status: 500 })
) {
  override get message() {
    return this.detail
  }
}

/** A key that wraps data keys, and how many; nothing here is secret. */
const KeySummary = Schema.Struct({
  id: Schema.String,
  isPrimary: Schema.Boolean,
  /** Whether this server can open what is under it. */
  isKnown: Schema.Boolean,
  /** Epoch milliseconds. */
  createdAt: Schema.NullOr(Schema.Number),
  dataKeys: Schema.Number,
  /** Data keys of people who were erased. */
  destroyed: Schema.Number
})

export class KeyStatus extends Schema.Class<KeyStatus>("KeyStatus")({
  source: Schema.String,
  canRotate: Schema.Boolean,
  keys: Schema.Array(KeySummary),
  /** Encrypted records. */
  records: Schema.Number
}) {}

/** Somebody else changed or forgot the memory meanwhile. */
export class MemoryChanged extends Schema.TaggedError<MemoryChanged>()(
  "MemoryChanged",
  { id: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return "This memory was changed or forgotten meanwhile. Nothing was written: look at it again, then correct it."
  }
}

/** Nothing was changed; `detail` is what stands in the way. */
export class RotationRefused extends Schema.TaggedError<RotationRefused>()(
  "RotationRefused",
  { reason: Schema.Literal("KeyFromEnvironment", "FolderInUse"), detail: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return this.reason === "FolderInUse"
      ? this.detail
      : `The key comes from ${this.detail}, so this program cannot put another in its place. Nothing was changed.`
  }
}

/** What an erasure destroyed. */
export class Receipt extends Schema.Class<Receipt>("Receipt")({
  person: Schema.String,
  /** ISO 8601. */
  time: Schema.String,
  conversations: Schema.Number,
  /** Stretches of conversations. */
  events: Schema.Number,
  /** Id of the data key that is gone; null where nothing was ever said. */
  destroyedKey: Schema.NullOr(Schema.String),
  memories: Schema.Number,
  /** Standing instructions and notes of the memory. */
  notes: Schema.Number,
  /** False when another program was reading for long: bytes of memories stay in its log until the next checkpoint. */
  memoryLogEmptied: Schema.Boolean,
  files: Schema.Number,
  /** What no program can erase from here. */
  notReached: Schema.Array(Schema.String),
  /** SHA-256 of everything above as JSON, in this order. */
  digest: Schema.String
}) {}

/** The request needs a sign-in, and has none or one that ended. */
export class NotSignedIn extends Schema.TaggedError<NotSignedIn>()(
  "NotSignedIn",
  {},
  HttpApiSchema.annotations({ status: 401 })
) {
  override get message() {
    return "You are not signed in, or your sign-in ended. Sign in; your message is kept."
  }
}

export class SignInRefused extends Schema.TaggedError<SignInRefused>()(
  "SignInRefused",
  { reason: Schema.Literal("Wrong", "NameTaken", "BadName", "BadPassword", "NoAccounts") },
  HttpApiSchema.annotations({ status: 403 })
) {
  override get message() {
    return {
      Wrong: "The name or the password is wrong. Try again.",
      NameTaken: "This name is taken. Choose another, or sign in.",
      BadName: "A name has 1 to 64 letters, digits, dots, dashes and underscores.",
      BadPassword: "A password has 8 to 1000 characters.",
      NoAccounts:
        "This server is for one person; there is nothing to sign in to. Set SENNIT_ACCOUNTS=true to have accounts."
    }[this.reason]
  }
}

/** Whether people sign in here, and who has. */
export const Account = Schema.Struct({ signsIn: Schema.Boolean, person: Schema.NullOr(Schema.String) })
export type Account = typeof Account.Type

/** Every request of the groups that have it belongs to a person. */
export class SignedIn extends HttpApiMiddleware.Tag<SignedIn>()("SignedIn", {
  failure: Schema.Union(NotSignedIn, StorageFailed),
  provides: Person
}) {}

/** Why an upload is refused. */
export const UploadRefusal = Schema.Union(FileRefused, NoSuchConversation, StorageFailed, NotSignedIn)
export type UploadRefusal = typeof UploadRefusal.Type

const conversationPath = Schema.Struct({ conversation: Schema.String })

export class Conversations extends HttpApiGroup.make("conversations")
  .add(
    // `search` is looked for in titles, questions and answers.
    HttpApiEndpoint.get("list", "/conversations")
      .setUrlParams(Schema.Struct({ search: Schema.optional(Schema.String) }))
      .addSuccess(Schema.Array(ConversationSummary))
  )
  .add(HttpApiEndpoint.post("create", "/conversations").addSuccess(ConversationSummary))
  .add(
    HttpApiEndpoint.get("get", "/conversations/:conversation")
      .setPath(conversationPath)
      .addSuccess(Conversation)
      .addError(NoSuchConversation)
  )
  .add(
    HttpApiEndpoint.del("delete", "/conversations/:conversation")
      .setPath(conversationPath)
      .addError(NoSuchConversation)
  )
  .add(
    HttpApiEndpoint.post("ask", "/conversations/:conversation/runs")
      .setPath(conversationPath)
      .setPayload(
        Schema.Struct({
          question: Schema.NonEmptyString,
          attachments: Schema.Array(Schema.String),
          model: Schema.optional(ModelSummary.fields.id)
        })
      )
      .addSuccess(Schema.Struct({ run: Schema.String }))
      .addError(NoSuchConversation)
      .addError(ConversationBusy)
      .addError(TooManyRuns)
      .addError(FileRefused)
  )
  .add(
    HttpApiEndpoint.get("preview", "/conversations/:conversation/preview")
      .setPath(conversationPath)
      .setUrlParams(Schema.Struct({ name: Schema.String }))
      .addSuccess(Preview)
      .addError(NoSuchConversation)
      .addError(FileRefused)
  )
  .add(
    // Whether a call that waits may be run.
    HttpApiEndpoint.post("decide", "/conversations/:conversation/decisions")
      .setPath(conversationPath)
      .setPayload(Schema.Struct({ callId: Schema.String, approved: Schema.Boolean }))
      .addError(NoSuchConversation)
      .addError(NothingToDecide)
  )
  .add(
    // Goes on with an answer that the end of a process has cut off; false where there is none.
    HttpApiEndpoint.post("resume", "/conversations/:conversation/resume")
      .setPath(conversationPath)
      .addSuccess(Schema.Struct({ resumed: Schema.Boolean }))
      .addError(NoSuchConversation)
  )
  .add(
    HttpApiEndpoint.del("stop", "/conversations/:conversation/runs")
      .setPath(conversationPath)
      .addError(NoSuchConversation)
  )
  .addError(StorageFailed)
  .middleware(SignedIn)
{}

const memoryPath = Schema.Struct({ memory: Schema.String })

export class Memories extends HttpApiGroup.make("memories")
  .add(
    HttpApiEndpoint.get("list", "/memories")
      .setUrlParams(
        Schema.Struct({ question: Schema.optional(Schema.String), asOf: Schema.optional(Schema.NumberFromString) })
      )
      .addSuccess(Schema.Array(MemorySummary))
  )
  .add(
    HttpApiEndpoint.patch("correct", "/memories/:memory")
      .setPath(memoryPath)
      .setPayload(Schema.Struct({ version: Schema.Number, text: Schema.NonEmptyString }))
      .addSuccess(MemorySummary)
      .addError(MemoryChanged)
  )
  .add(
    HttpApiEndpoint.get("history", "/memories/:memory/history")
      .setPath(memoryPath)
      .addSuccess(Schema.Array(MemoryRevision))
  )
  .add(HttpApiEndpoint.del("forget", "/memories/:memory").setPath(memoryPath))
  .addError(StorageFailed)
  .middleware(SignedIn)
{}

export class Keys extends HttpApiGroup.make("keys")
  .add(HttpApiEndpoint.get("status", "/keys").addSuccess(KeyStatus))
  .add(HttpApiEndpoint.post("rotate", "/keys/rotation").addSuccess(KeyStatus).addError(RotationRefused))
  .addError(StorageFailed)
  .middleware(SignedIn)
{}

export class Privacy extends HttpApiGroup.make("privacy")
  .add(
    HttpApiEndpoint.post("erase", "/erasure")
      .setPayload(Schema.Struct({ confirm: Schema.Literal(true) }))
      .addSuccess(Receipt)
  )
  .add(
    HttpApiEndpoint.get("stored", "/conversations/:conversation/stored")
      .setPath(conversationPath)
      .addSuccess(Schema.Array(StoredRecord))
      .addError(NoSuchConversation)
  )
  .addError(StorageFailed)
  .middleware(SignedIn)
{}

export class Server extends HttpApiGroup.make("server")
  .add(HttpApiEndpoint.get("info", "/info").addSuccess(ServerInfo))
  .add(HttpApiEndpoint.get("tools", "/tools").addSuccess(ToolList))
  .middleware(SignedIn)
{}

const credentials = Schema.Struct({ name: Schema.String, password: Schema.Redacted(Schema.String) })

/** A sign-in is a cookie that no script can read. */
export class Accounts extends HttpApiGroup.make("account")
  .add(HttpApiEndpoint.get("status", "/account").addSuccess(Account))
  .add(HttpApiEndpoint.post("signUp", "/account").setPayload(credentials).addError(SignInRefused))
  .add(HttpApiEndpoint.post("signIn", "/account/sign-in").setPayload(credentials).addError(SignInRefused))
  .add(HttpApiEndpoint.del("signOut", "/account/sign-in"))
  .addError(StorageFailed)
{}

/**
 * Beside it stand plain routes: `PUT /api/conversations/:conversation/files/:name` (the body is the file, the answer a
 * `FileSummary`), `GET` of the same (its bytes), `GET /api/events` (server-sent events), `GET /api/export` (JSON lines) and `GET /health` (a `HealthReport`).
 */
export class DemoApi
  extends HttpApi.make("sennit").add(Conversations).add(Memories).add(Keys).add(Privacy).add(Server).add(Accounts)
    .prefix("/api")
{}
