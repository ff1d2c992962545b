/**
 * For tests of agents, tools and models: a model that follows a script, and
 * the promises that every `ChatModel` keeps.
 *
 * @since 0.1.0
 */
export * as ChatModelContract from "./ChatModelContract.ts"
export * as Scripted from "./Scripted.ts"
