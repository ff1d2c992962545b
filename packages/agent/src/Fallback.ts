/**
 * Several models behind one: when one does not answer, the next is asked.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ModelError } from "./AgentError.ts"
import type { ModelEvent, ModelRequest } from "./ChatModel.ts"
import { ChatModel } from "./ChatModel.ts"

type Model = typeof ChatModel.Service

/**
 * Asks the models in their order until one answers. As soon as anything of an
 * answer was seen, nobody else is asked: an error is then that of the answer. A
 * model that said how long to wait is left out for that long, as long as
 * another is left. Fails with the error of the last one asked.
 *
 * A model that retries by itself does so before the next is asked; give
 * `OpenAiChat` `retries: 0` to go on at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (models: readonly [Model, ...Array<Model>]): Model => {
  const waitUntil = new Map<Model, number>()
  return ChatModel.of({
    name: models.map(({ name }) => name).join(", else "),
    answer: <R>(
      request: ModelRequest,
      onEvents: (events: ReadonlyArray<ModelEvent>) => Effect.Effect<void, never, R>
    ) =>
      Effect.clockWith((clock) => {
        let visible = false
        const see = (events: ReadonlyArray<ModelEvent>) => {
          visible = true
          return onEvents(events)
        }
        const ask = (candidates: ReadonlyArray<Model>, index: number): Effect.Effect<void, ModelError, R> => {
          const model = candidates[index]!
          return Effect.catchAll(model.answer(request, see), (error) => {
            if (error.retryAfterMillis !== undefined) {
              waitUntil.set(model, clock.unsafeCurrentTimeMillis() + error.retryAfterMillis)
            }
            return visible || index + 1 >= candidates.length ? Effect.fail(error) : ask(candidates, index + 1)
          })
        }
        const now = clock.unsafeCurrentTimeMillis()
        const ready = models.filter((model) => (waitUntil.get(model) ?? 0) <= now)
        return ask(ready.length === 0 ? models : ready, 0)
      })
  })
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (models: readonly [Model, ...Array<Model>]): Layer.Layer<ChatModel> =>
  Layer.sync(ChatModel, () => make(models))
