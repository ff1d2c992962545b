import { describe, expect, it } from "@effect/vitest"
import { MemoryScope } from "@sennit/memory-vault"
import { Either } from "effect"

const reasons = (ids: ReadonlyArray<string>) =>
  ids.map((id) => Either.match(MemoryScope.user(id), { onLeft: ({ reason }) => reason, onRight: () => "accepted" }))

describe("MemoryScope", () => {
  it("refuses identifiers that cannot tell users apart", () => {
    expect(reasons(["", "a\0", "\ud800", "\udc00x", "x".repeat(513), "é".repeat(257)])).toEqual([
      "empty",
      "nul",
      "ill-formed",
      "ill-formed",
      "too-long",
      "too-long"
    ])
    expect(reasons(["x".repeat(512), "é".repeat(256), " ", "\n", "../..", "%", "😀"])).toEqual(
      Array(7).fill("accepted")
    )
  })

  it("says which identifier it refuses, and not its content", () => {
    const refused = MemoryScope.make({ tenant: "fine", user: "fine", agent: "secret\0" })
    expect(Either.getLeft(refused)).toMatchObject({ value: { field: "agent", reason: "nul" } })
    expect(JSON.stringify(refused)).not.toContain("secret")
  })

  it("shows nothing of its identifiers", () => {
    const scope = Either.getOrThrow(MemoryScope.user("marker"))
    expect(JSON.stringify(scope) + String(scope) + Object.keys(scope).join()).not.toContain("marker")
  })

  it("is not made from its parts", () => {
    // @ts-expect-error -- a scope has a private field
    const forged: MemoryScope.MemoryScope = { toString: () => "MemoryScope" }
    expect(forged).toBeDefined()
    expect("Scope" in MemoryScope).toBe(false)
  })
})
