/** From the errors of a store to those of @effect/platform, which keep them as their cause. */
import * as PlatformError from "@effect/platform/Error"
import type { StoreError } from "../StoreError.ts"

type Module = (typeof PlatformError.Module)["Type"]

const reasonOf = (error: Exclude<StoreError, { readonly _tag: "InvalidRange" }>): PlatformError.SystemErrorReason => {
  switch (error._tag) {
    case "NotFound":
    case "AlreadyExists":
    case "PermissionDenied":
      return error._tag
    case "InvalidPath":
      return "BadResource"
    case "ResourceLocked":
    case "PreconditionFailed":
      return "Busy"
    case "TimedOut":
      return "TimedOut"
    case "IntegrityMismatch":
    case "DecodeFailed":
      return "InvalidData"
    case "BackendUnavailable":
      return error.reason === "Truncated" ? "UnexpectedEof" : "Unknown"
    case "CapabilityNotSupported":
    case "DirectoryNotEmpty":
    case "AmbiguousWrite":
      return "Unknown"
  }
}

/** @internal */
export const badArgument = (module: Module, method: string, description: string, cause?: unknown) =>
  new PlatformError.BadArgument({ module, method, description, ...(cause === undefined ? {} : { cause }) })

/** Paths that could name nothing, whatever is there. */
const isBad = (error: StoreError): boolean =>
  error._tag === "InvalidRange" || error._tag === "InvalidPath" &&
    !["IsFolder", "AncestorIsObject", "SymbolicLink", "SpecialFile"].includes(error.reason)

/** @internal */
export const toPlatformError =
  (module: Module, method: string, path: string) => (error: StoreError): PlatformError.PlatformError =>
    isBad(error) || error._tag === "InvalidRange"
      ? badArgument(module, method, error.message, error)
      : new PlatformError.SystemError({
        module,
        method,
        reason: reasonOf(error),
        description: error.message,
        pathOrDescriptor: path,
        cause: error
      })

/** @internal What no store does. */
export const unsupported = (method: string, path: string, description: string) =>
  new PlatformError.SystemError({
    module: "FileSystem",
    method,
    reason: "Unknown",
    description: `${description}; nothing was changed`,
    pathOrDescriptor: path
  })
