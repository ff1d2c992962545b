import { describe, expect, it } from "@effect/vitest"
import { StoreError } from "@sennit/store"
import { Effect, Schema } from "effect"

const where = { path: "folder/a", backend: "local", operation: "write" }
const cause = new Error("password=hunter2")

const one: ReadonlyArray<StoreError.StoreError> = [
  new StoreError.NotFound(where),
  new StoreError.AlreadyExists(where),
  new StoreError.PreconditionFailed(where),
  new StoreError.PermissionDenied({ ...where, cause }),
  new StoreError.InvalidPath({ ...where, reason: "IsFolder" }),
  new StoreError.InvalidRange(where),
  new StoreError.CapabilityNotSupported({ backend: "local", operation: "write", capability: "metadata" }),
  new StoreError.BackendUnavailable({ ...where, reason: "NoSpace", retryable: false, cause })
]

const unavailable = (retryable: boolean) =>
  new StoreError.BackendUnavailable({ ...where, reason: "Io", retryable, cause }).message

describe("every error", () => {
  for (const error of one) {
    it(`${error._tag} says where it happened, and shows nothing of its cause`, () => {
      expect(error.message).toContain("local write: ")
      expect(error.message.includes("folder/a")).toBe(error._tag !== "CapabilityNotSupported")
      expect(error.message).not.toContain("hunter2")
    })
  }

  it("says whether to try again", () => {
    expect(unavailable(true)).toContain("may succeed when tried again")
    expect(unavailable(false)).toContain("will not help")
  })

  it("shows no more than the beginning of a long path, and no line break of it", () => {
    const { message } = new StoreError.NotFound({ ...where, path: `a\n${"b".repeat(5000)}` })
    expect(message.length).toBeLessThan(400)
    expect(message).not.toContain("\n")
  })

  it.effect("survives encoding and decoding", () =>
    Effect.gen(function*() {
      const failure = new StoreError.InvalidPath({ ...where, reason: "SymbolicLink" })
      const schema = Schema.parseJson(StoreError.InvalidPath)
      expect(yield* Schema.decode(schema)(yield* Schema.encode(schema)(failure))).toEqual(failure)
    }))
})

describe("every reason to refuse a path", () => {
  it("has an explanation of its own", () => {
    const messages = StoreError.InvalidPathReason.literals.map(
      (reason) => new StoreError.InvalidPath({ path: "a", reason }).message
    )
    expect(new Set(messages).size).toBe(StoreError.InvalidPathReason.literals.length)
  })
})
