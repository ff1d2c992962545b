import type { AgentTool } from "@sennit/agent"

/** Calls a tool as a run would. */
export const callTool = <R>(tool: AgentTool.AgentTool<R>, args: object) =>
  tool.invoke(args, { runId: "r", callId: "c" })
