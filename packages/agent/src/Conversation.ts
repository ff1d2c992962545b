/**
 * What was said in earlier turns of a conversation, kept on this side, and made
 * short enough for a model.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Message } from "./Message.ts"
import { repair, user } from "./Message.ts"

/**
 * Whose conversation it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owner {
  readonly user: string
  readonly conversation: string
}

/**
 * Turns of conversations. A turn is what one run added after the user's
 * message: the calls of its tools, their results and the answer. `get` gives a
 * turn to its owner alone; instructions of agents are never in it.
 *
 * @since 0.1.0
 * @category services
 */
export class Conversation extends Context.Tag("@sennit/agent/Conversation")<Conversation, {
  /** Answers the id of the turn, which nobody can guess. */
  readonly append: (owner: Owner, turn: ReadonlyArray<Message>) => Effect.Effect<string>
  readonly get: (owner: Owner, turnId: string) => Effect.Effect<Option.Option<ReadonlyArray<Message>>>
  /** All turns, oldest first; empty when there is no such conversation. */
  readonly history: (owner: Owner) => Effect.Effect<ReadonlyArray<Message>>
  /** Answers whether there was such a conversation. */
  readonly delete: (owner: Owner) => Effect.Effect<boolean>
}>() {}

const keyOf = ({ conversation, user: whose }: Owner): string => JSON.stringify([whose, conversation])

/**
 * Conversations in memory; the one that was longest without a new turn goes
 * first. Default: the last 1,000.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (options: { readonly maxConversations?: number } = {}): Layer.Layer<Conversation> =>
  Layer.sync(Conversation, () => {
    const { maxConversations = 1000 } = options
    const all = new Map<string, Map<string, ReadonlyArray<Message>>>()
    return Conversation.of({
      append: (owner, turn) =>
        Effect.sync(() => {
          const key = keyOf(owner)
          const turns = all.get(key) ?? new Map<string, ReadonlyArray<Message>>()
          const turnId = crypto.randomUUID()
          turns.set(turnId, withoutInstructions(turn))
          all.delete(key)
          all.set(key, turns)
          for (const oldest of all.keys()) {
            if (all.size <= maxConversations) break
            all.delete(oldest)
          }
          return turnId
        }),
      get: (owner, turnId) => Effect.sync(() => Option.fromNullable(all.get(keyOf(owner))?.get(turnId))),
      history: (owner) => Effect.sync(() => Array.from(all.get(keyOf(owner))?.values() ?? []).flat()),
      delete: (owner) => Effect.sync(() => all.delete(keyOf(owner)))
    })
  })

/**
 * The messages without those of the system.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withoutInstructions = (messages: ReadonlyArray<Message>): ReadonlyArray<Message> =>
  messages.filter(({ role }) => role !== "system")

/**
 * About how many tokens a model needs for these messages: one for four
 * characters, and four for each message.
 *
 * @since 0.1.0
 * @category accounting
 */
export const estimateTokens = (messages: ReadonlyArray<Message>): number =>
  messages.reduce((sum, message) => {
    const calls = message.role === "assistant"
      ? message.toolCalls.reduce((length, call) => length + call.name.length + call.arguments.length, 0)
      : 0
    return sum + 4 + Math.ceil((message.content.length + calls) / 4)
  }, 0)

const cutResult = 200

/**
 * Makes a history fit into so many tokens, by `estimateTokens`. Results of
 * tools are shortened first, oldest first, then the oldest turns are left out
 * and a note says so. The last turn always stays as it is, and every call keeps
 * its result.
 *
 * @since 0.1.0
 * @category combinators
 */
export const compact = (
  messages: ReadonlyArray<Message>,
  options: { readonly maxTokens: number }
): ReadonlyArray<Message> => {
  let size = estimateTokens(messages)
  if (size <= options.maxTokens) return messages
  const lastTurn = Math.max(0, messages.findLastIndex(({ role }) => role === "user"))
  const short = messages.map((message, index): Message => {
    if (size <= options.maxTokens || index >= lastTurn || message.role !== "tool") return message
    if (message.content.length <= cutResult) return message
    const note = `${message.content.slice(0, cutResult)}\n[Cut to save space; call the tool again for the rest.]`
    const cut = { ...message, content: note }
    size -= estimateTokens([message]) - estimateTokens([cut])
    return cut
  })
  if (size <= options.maxTokens) return short
  const starts = short.flatMap(({ role }, index) => role === "user" && index > 0 ? [index] : [])
  const note = user("[Earlier messages of this conversation were left out to save space.]")
  const from = starts.find((start) => estimateTokens([note, ...short.slice(start)]) <= options.maxTokens) ??
    starts.at(-1) ?? 0
  return from === 0 ? short : repair([note, ...short.slice(from)])
}
