import type { AgentTool } from "@sennit/agent"
import { ToolContext } from "@sennit/agent/testing"

/** Calls a tool as a run would. */
export const callTool = <R>(
  tool: AgentTool.AgentTool<R>,
  args: object,
  context: AgentTool.CallContext = ToolContext.make()
) => tool.invoke(args, context)
