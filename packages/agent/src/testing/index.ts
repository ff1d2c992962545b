/**
 * For tests of agents, tools and models: a model that follows a script or a
 * recording, the context of a call, a probe for leaks, and the promises that
 * every `ChatModel` keeps.
 *
 * @since 0.1.0
 */
export * as Cassette from "./Cassette.ts"
export * as ChatModelContract from "./ChatModelContract.ts"
export * as LeakProbe from "./LeakProbe.ts"
export * as Scripted from "./Scripted.ts"
export * as ToolContext from "./ToolContext.ts"
