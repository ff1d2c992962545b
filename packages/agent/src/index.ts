/**
 * @since 0.1.0
 */
export * as Agent from "./Agent.ts"
export * as AgentConfig from "./AgentConfig.ts"
export * as AgentError from "./AgentError.ts"
export * as AgentEvent from "./AgentEvent.ts"
export * as AgentRuns from "./AgentRuns.ts"
export * as AgentTool from "./AgentTool.ts"
export * as ChatModel from "./ChatModel.ts"
export * as Message from "./Message.ts"
export * as Telemetry from "./Telemetry.ts"
export * as Toolset from "./Toolset.ts"
