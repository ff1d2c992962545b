/**
 * For tests of agents, tools and models: a model that follows a script,
 * the context of a call, and the promises that every `ChatModel` keeps.
 *
 * @since 0.1.0
 */
export * as ChatModelContract from "./ChatModelContract.ts"
export * as Scripted from "./Scripted.ts"
export * as ToolContext from "./ToolContext.ts"
