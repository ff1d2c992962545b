/**
 * Counts tokens as the model behind the prompt does.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * `count` is pure and total; the budget of a prompt block holds by what it answers for the whole block.
 *
 * @since 0.1.0
 * @category models
 */
export class TokenCounter extends Context.Tag("@sennit/memory-vault/TokenCounter")<TokenCounter, {
  readonly name: string
  readonly count: (text: string) => number
}>() {}

const noSpecialTokens: ReadonlySet<string> = new Set()

/**
 * Exact cl100k_base counts. The table is loaded when the layer is built, not when the package is imported.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerCl100k: Layer.Layer<TokenCounter> = Layer.effect(
  TokenCounter,
  Effect.map(Effect.promise(() => import("gpt-tokenizer/encoding/cl100k_base")), ({ countTokens }) => ({
    name: "cl100k_base",
    // A text that spells a control token is text here, not control.
    count: (text: string) => countTokens(text, { disallowedSpecial: new Set(noSpecialTokens) })
  }))
)

/**
 * Your own counter, such as that of another model.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (counter: {
  readonly name: string
  readonly count: (text: string) => number
}): Layer.Layer<TokenCounter> => Layer.succeed(TokenCounter, counter)
