/** Why the demo cannot start. What a person can do wrong on its page is in ApiError.ts. */
import type { PlatformError } from "@effect/platform/Error"
import type { ServeError } from "@effect/platform/HttpServerError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

export const isMissing = (error: PlatformError): boolean => error._tag === "SystemError" && error.reason === "NotFound"
export const isThere = (error: PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

/** The data folder cannot be used; nothing in it was changed. */
export class DataFolderError extends Schema.TaggedError<DataFolderError>()("DataFolderError", {
  folder: Schema.String,
  reason: Schema.Literal("NoPermission", "NoSpace", "NotAFolder", "BadKeyFile", "Failed"),
  detail: Schema.String
}) {
  static readonly from = (folder: string) => (error: PlatformError): DataFolderError => {
    const reason = error._tag === "SystemError" ? error.reason : undefined
    if (reason === "PermissionDenied") {
      return new DataFolderError({ folder, reason: "NoPermission", detail: "it cannot be written." })
    }
    if (reason === "AlreadyExists" || reason === "BadResource") {
      return new DataFolderError({ folder, reason: "NotAFolder", detail: "there is a file of this name." })
    }
    const code = Predicate.hasProperty(error.cause, "code") ? error.cause.code : undefined
    if (code === "EROFS") {
      return new DataFolderError({ folder, reason: "NoPermission", detail: "it cannot be written." })
    }
    if (code === "ENOSPC") return new DataFolderError({ folder, reason: "NoSpace", detail: "the disk is full." })
    return new DataFolderError({ folder, reason: "Failed", detail: `${error.message}.` })
  }

  override get message() {
    return `The data folder ${this.folder} cannot be used: ${this.detail} Nothing was changed. ` +
      (this.reason === "NoSpace"
        ? "Free space, or set SENNIT_DATA to a folder on another disk."
        : "Set SENNIT_DATA to a folder that you may write.")
  }
}

/** Nothing was opened and nothing was changed. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  port: Schema.Number,
  cause: Schema.Defect
}) {
  static readonly from = (port: number) => ({ cause }: ServeError) => new CannotListen({ port, cause })

  override get message() {
    return typeof this.cause === "object" && this.cause !== null && "code" in this.cause &&
        this.cause.code === "EADDRINUSE"
      ? `Port ${this.port} is in use, perhaps by another Sennit. Stop that program, or set SENNIT_PORT to another port.`
      : `Cannot listen on port ${this.port}: ${String(this.cause)}. Set SENNIT_PORT to another port.`
  }
}

/** A database refused when it was opened; it is as it was. */
export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  database: Schema.String,
  detail: Schema.String,
  advice: Schema.String
}) {
  /** For what a layer of the database at `file` fails with. */
  static readonly ofFile = (file: string) => ({ message }: { readonly message: string }) =>
    new DatabaseError({
      database: file,
      detail: message,
      advice:
        "If it is damaged: stop Sennit, keep a copy of the data folder, and put the file of a backup in its place."
    })

  static readonly ofServer = ({ message }: { readonly message: string }) =>
    new DatabaseError({
      database: "PostgreSQL",
      detail: message,
      advice: "Start it, correct SENNIT_DATABASE_URL, or unset that to use a file in the data folder."
    })

  override get message() {
    return `${this.database} cannot be used. ${this.detail} Nothing was overwritten. ${this.advice}`
  }
}

/** What was printed has said what failed; the exit code says so too. */
export class Quietly extends Schema.TaggedError<Quietly>()("Quietly", {}) {}

/** Another process uses the data folder, or changes its keys. Nothing was changed. */
export class FolderInUse extends Schema.TaggedError<FolderInUse>()("FolderInUse", {
  file: Schema.String,
  reason: Schema.Literal("InUse", "CannotOpen"),
  cause: Schema.Defect
}) {
  override get message() {
    if (this.reason === "CannotOpen") {
      return `${this.file} cannot be opened. Nothing was changed. Look at who owns it; it holds nothing and can be deleted.`
    }
    return `Another program uses the data folder (${this.file} is locked). Nothing was changed. ` +
      "Wait until it has ended, or stop it, then try again."
  }
}

/** The person was asked and did not say so. */
export class NotConfirmed extends Schema.TaggedError<NotConfirmed>()("NotConfirmed", {}) {
  override get message() {
    return "Not confirmed. Nothing was erased. In a script, pass --yes."
  }
}
