import { describe, expect, it } from "@effect/vitest"
import { TokenCounter } from "@sennit/memory-vault"
import { Effect } from "effect"
import { within } from "./support/vaultFile.ts"

describe("TokenCounter", () => {
  it.effect("counts as cl100k_base does, control tokens being text", () =>
    Effect.gen(function*() {
      const { count, name } = yield* TokenCounter.TokenCounter
      expect(name).toBe("cl100k_base")
      // From the OpenAI cookbook, "How to count tokens with tiktoken".
      expect(count("tiktoken is great!")).toBe(6)
      expect(count("antidisestablishmentarianism")).toBe(6)
      expect(count("2 + 2 = 4")).toBe(7)
      expect(count("お誕生日おめでとう")).toBe(9)
      expect(count("")).toBe(0)
      expect(count("<|endoftext|>")).toBeGreaterThan(1)
    }).pipe(within(TokenCounter.layerCl100k)))
})
