/** Everything that a request can be refused with, in words for people. Runs in the browser too. */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"

const status = <A>(code: number) => HttpApiSchema.annotations<A>({ status: code })

export class NoSuchConversation
  extends Schema.TaggedError<NoSuchConversation>()("NoSuchConversation", { id: Schema.String }, status(404))
{
  override get message() {
    return `No such conversation: ${this.id}.`
  }
}

export class ConversationBusy
  extends Schema.TaggedError<ConversationBusy>()("ConversationBusy", { id: Schema.String }, status(409))
{
  override get message() {
    return "This conversation is still being answered. Your text is kept: stop the answer or wait for its end, then send again."
  }
}

export class NothingToDecide extends Schema.TaggedError<NothingToDecide>()("NothingToDecide", {}, status(409)) {
  override get message() {
    return "Nothing waits for this decision any more: it was made, or the answer was stopped. Nothing was run because of it."
  }
}

export class TooManyRuns
  extends Schema.TaggedError<TooManyRuns>()("TooManyRuns", { limit: Schema.Number }, status(429))
{
  override get message() {
    return `The server already answers ${this.limit} questions. Your text is kept: send again in a moment.`
  }
}

export class FileRefused extends Schema.TaggedError<FileRefused>()("FileRefused", {
  name: Schema.String,
  reason: Schema.Literal("TooLarge", "BadName", "Empty", "NoSuchFile", "Incomplete", "BadType"),
  detail: Schema.String
}, status(400)) {
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
export class StorageFailed
  extends Schema.TaggedError<StorageFailed>()("StorageFailed", { detail: Schema.String }, status(500))
{
  override get message() {
    return this.detail
  }
}

/** Somebody else changed or forgot the memory meanwhile. */
export class MemoryChanged
  extends Schema.TaggedError<MemoryChanged>()("MemoryChanged", { id: Schema.String }, status(409))
{
  override get message() {
    return "This memory was changed or forgotten meanwhile. Nothing was written: look at it again, then correct it."
  }
}

/** Nothing was changed; `detail` is what stands in the way. */
export class RotationRefused extends Schema.TaggedError<RotationRefused>()("RotationRefused", {
  reason: Schema.Literal("KeyFromEnvironment", "FolderInUse"),
  detail: Schema.String
}, status(409)) {
  override get message() {
    return this.reason === "FolderInUse"
      ? this.detail
      : `The key comes from ${this.detail}, so this program cannot put another in its place. Nothing was changed.`
  }
}

/** The request needs a sign-in, and has none or one that ended. */
export class NotSignedIn extends Schema.TaggedError<NotSignedIn>()("NotSignedIn", {}, status(401)) {
  override get message() {
    return "You are not signed in, or your sign-in ended. Sign in; your message is kept."
  }
}

export class SignInRefused extends Schema.TaggedError<SignInRefused>()("SignInRefused", {
  reason: Schema.Literal("Wrong", "NameTaken", "BadName", "BadPassword", "NoAccounts")
}, status(403)) {
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

/** Why an upload is refused. */
export const UploadRefusal = Schema.Union(FileRefused, NoSuchConversation, StorageFailed, NotSignedIn)
export type UploadRefusal = typeof UploadRefusal.Type
