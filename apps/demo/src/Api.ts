/**
 * What the server and the page agree on. This module runs in the browser too, so it imports no Node code.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Schema from "effect/Schema"
import {
  ConversationBusy,
  FileRefused,
  MemoryChanged,
  NoSuchConversation,
  NothingToDecide,
  NotSignedIn,
  RotationRefused,
  SignInRefused,
  StorageFailed,
  TooManyRuns
} from "./ApiError.ts"
import { Conversation, ConversationSummary } from "./Block.ts"
import { Person } from "./Person.ts"

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

/** How many conversations are listed at a time. */
export const LISTED = 50

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
  /** What is encrypted, and what lies on this disk as it is. */
  encrypted: Schema.Array(Schema.String),
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

/** Whether people sign in here, and who has. */
export const Account = Schema.Struct({ signsIn: Schema.Boolean, person: Schema.NullOr(Schema.String) })
export type Account = typeof Account.Type

/** Every request of the groups that have it belongs to a person. */
export class SignedIn extends HttpApiMiddleware.Tag<SignedIn>()("SignedIn", {
  failure: Schema.Union(NotSignedIn, StorageFailed),
  provides: Person
}) {}

/** A request about one conversation, of the person who asks. */
const ofConversation = <Name extends string, Method extends HttpMethod>(
  endpoint: HttpApiEndpoint.HttpApiEndpoint<Name, Method>
) => endpoint.setPath(Schema.Struct({ conversation: Schema.String })).addError(NoSuchConversation)

/** A request about one memory. */
const ofMemory = <Name extends string, Method extends HttpMethod>(
  endpoint: HttpApiEndpoint.HttpApiEndpoint<Name, Method>
) => endpoint.setPath(Schema.Struct({ memory: Schema.String }))

export class Conversations extends HttpApiGroup.make("conversations")
  .add(
    // `search` is looked for in titles, questions and answers; `before`, epoch milliseconds, goes on behind what was listed.
    HttpApiEndpoint.get("list", "/conversations")
      .setUrlParams(
        Schema.Struct({ search: Schema.optional(Schema.String), before: Schema.optional(Schema.NumberFromString) })
      )
      .addSuccess(Schema.Array(ConversationSummary))
  )
  .add(HttpApiEndpoint.post("create", "/conversations").addSuccess(ConversationSummary))
  .add(ofConversation(HttpApiEndpoint.get("get", "/conversations/:conversation")).addSuccess(Conversation))
  .add(ofConversation(HttpApiEndpoint.del("delete", "/conversations/:conversation")))
  .add(
    ofConversation(HttpApiEndpoint.post("ask", "/conversations/:conversation/runs"))
      .setPayload(
        Schema.Struct({
          question: Schema.NonEmptyString,
          attachments: Schema.Array(Schema.String),
          model: Schema.optional(ModelSummary.fields.id)
        })
      )
      .addSuccess(Schema.Struct({ run: Schema.String }))
      .addError(ConversationBusy)
      .addError(TooManyRuns)
      .addError(FileRefused)
  )
  .add(
    ofConversation(HttpApiEndpoint.get("preview", "/conversations/:conversation/preview"))
      .setUrlParams(Schema.Struct({ name: Schema.String }))
      .addSuccess(Preview)
      .addError(FileRefused)
  )
  .add(
    // Whether a call that waits may be run.
    ofConversation(HttpApiEndpoint.post("decide", "/conversations/:conversation/decisions"))
      .setPayload(Schema.Struct({ callId: Schema.String, approved: Schema.Boolean }))
      .addError(NothingToDecide)
  )
  .add(
    // Goes on with an answer that the end of a process has cut off; false where there is none.
    ofConversation(HttpApiEndpoint.post("resume", "/conversations/:conversation/resume"))
      .addSuccess(Schema.Struct({ resumed: Schema.Boolean }))
  )
  .add(ofConversation(HttpApiEndpoint.del("stop", "/conversations/:conversation/runs")))
  .addError(StorageFailed)
  .middleware(SignedIn)
{}

export class Memories extends HttpApiGroup.make("memories")
  .add(
    HttpApiEndpoint.get("list", "/memories")
      .setUrlParams(
        Schema.Struct({ question: Schema.optional(Schema.String), asOf: Schema.optional(Schema.NumberFromString) })
      )
      .addSuccess(Schema.Array(MemorySummary))
  )
  .add(
    ofMemory(HttpApiEndpoint.patch("correct", "/memories/:memory"))
      .setPayload(Schema.Struct({ version: Schema.Number, text: Schema.NonEmptyString }))
      .addSuccess(MemorySummary)
      .addError(MemoryChanged)
  )
  .add(ofMemory(HttpApiEndpoint.get("history", "/memories/:memory/history")).addSuccess(Schema.Array(MemoryRevision)))
  .add(ofMemory(HttpApiEndpoint.del("forget", "/memories/:memory")))
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
    ofConversation(HttpApiEndpoint.get("stored", "/conversations/:conversation/stored")).addSuccess(
      Schema.Array(StoredRecord)
    )
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
