// @effect-diagnostics globalFetch:off asyncFunction:off -- other people's libraries, as they are used
/** The task of the benchmark, and how others do it. */

export const expected = Array.from({ length: 20 }, (_, i) => `word${i} `).join("")
export const question = "How is the weather in Porto?"
export const description = "The weather in a city"
export const instructions = "You are helpful."
export const report = (city: string) => `sunny in ${city}`

/** Answers a question; says when the first piece of the answer is there. */
export type Run = (onFirst?: () => void) => Promise<string>

export const load = async <A>(
  name: string,
  has: (module: Record<string, unknown>) => module is Record<string, unknown> & A
) => {
  const module: Record<string, unknown> = await import(name)
  if (!has(module)) throw new Error(`${name} is not what it was`)
  return module
}

interface AiSdk {
  readonly streamText: (options: object) => { readonly textStream: AsyncIterable<string> }
  readonly tool: (options: object) => object
  readonly stepCountIs: (steps: number) => object
}
interface Provider {
  readonly createOpenAICompatible: (options: object) => (model: string) => object
}
interface Zod {
  readonly z: { readonly object: (shape: object) => object; readonly string: () => object }
}

const isAiSdk = (module: Record<string, unknown>): module is Record<string, unknown> & AiSdk =>
  ["streamText", "tool", "stepCountIs"].every((name) => typeof module[name] === "function")
const isProvider = (module: Record<string, unknown>): module is Record<string, unknown> & Provider =>
  typeof module["createOpenAICompatible"] === "function"
const isZod = (module: Record<string, unknown>): module is Record<string, unknown> & Zod =>
  typeof module["z"] === "object"

export const aiSdk = async (url: string): Promise<Run> => {
  const { stepCountIs, streamText, tool } = await load("ai", isAiSdk)
  const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible", isProvider)
  const { z } = await load("zod", isZod)
  const model = createOpenAICompatible({ name: "mock", baseURL: url, includeUsage: true })("m")
  const weather = tool({
    description,
    inputSchema: z.object({ city: z.string() }),
    execute: ({ city }: { readonly city: string }) => Promise.resolve(report(city))
  })
  return async (onFirst) => {
    const result = streamText({
      model,
      system: instructions,
      prompt: question,
      tools: { weather },
      stopWhen: stepCountIs(16)
    })
    let text = ""
    for await (const delta of result.textStream) {
      onFirst?.()
      text += delta
    }
    return text
  }
}

interface RawCall {
  id: string
  name: string
  arguments: string
}
interface RawChunk {
  readonly choices: ReadonlyArray<{
    readonly delta: {
      readonly content?: string | null
      readonly tool_calls?: ReadonlyArray<{
        readonly index: number
        readonly id?: string
        readonly function: { readonly name?: string; readonly arguments?: string }
      }>
    }
  }>
}

interface LangGraph {
  readonly createReactAgent: (options: object) => {
    readonly stream: (
      input: object,
      options: { readonly streamMode: "messages" }
    ) => Promise<AsyncIterable<readonly [message: object, metadata: object]>>
  }
}
interface LangChainOpenAi {
  readonly ChatOpenAI: new(options: object) => object
}
interface LangChainTools {
  readonly tool: (
    handler: (input: { readonly city: string }) => Promise<string>,
    options: object
  ) => object
}

const isLangGraph = (module: Record<string, unknown>): module is Record<string, unknown> & LangGraph =>
  typeof module["createReactAgent"] === "function"
const isLangChainOpenAi = (module: Record<string, unknown>): module is Record<string, unknown> & LangChainOpenAi =>
  typeof module["ChatOpenAI"] === "function"
const isLangChainTools = (module: Record<string, unknown>): module is Record<string, unknown> & LangChainTools =>
  typeof module["tool"] === "function"

/** What a message of the model says; undefined for those of tools. */
const textOf = (message: object): string | undefined =>
  "type" in message && message.type === "ai" && "content" in message && typeof message.content === "string"
    ? message.content
    : undefined

export const langGraph = async (url: string): Promise<Run> => {
  const { createReactAgent } = await load("@langchain/langgraph/prebuilt", isLangGraph)
  const { ChatOpenAI } = await load("@langchain/openai", isLangChainOpenAi)
  const { tool } = await load("@langchain/core/tools", isLangChainTools)
  const { z } = await load("zod", isZod)
  const agent = createReactAgent({
    llm: new ChatOpenAI({
      model: "m",
      apiKey: "key",
      streaming: true,
      streamUsage: true,
      configuration: { baseURL: url }
    }),
    tools: [
      tool(({ city }) => Promise.resolve(report(city)), {
        name: "weather",
        description,
        schema: z.object({ city: z.string() })
      })
    ],
    prompt: instructions
  })
  return async (onFirst) => {
    let text = ""
    const input = { messages: [{ role: "user", content: question }] }
    for await (const [message] of await agent.stream(input, { streamMode: "messages" })) {
      const delta = textOf(message)
      if (delta) {
        onFirst?.()
        text += delta
      }
    }
    return text
  }
}

interface OpenAiAgents {
  readonly Agent: new(options: object) => object
  readonly OpenAIChatCompletionsModel: new(client: object, model: string) => object
  readonly run: (
    agent: object,
    input: string,
    options: { readonly stream: true; readonly maxTurns: number }
  ) => Promise<{ readonly toTextStream: () => AsyncIterable<string>; readonly completed: Promise<void> }>
  readonly setTracingDisabled: (disabled: boolean) => void
  readonly tool: (options: object) => object
}
interface OpenAi {
  readonly OpenAI: new(options: object) => object
}

const isOpenAiAgents = (module: Record<string, unknown>): module is Record<string, unknown> & OpenAiAgents =>
  ["Agent", "OpenAIChatCompletionsModel", "run", "setTracingDisabled", "tool"].every((name) =>
    typeof module[name] === "function"
  )
const isOpenAi = (module: Record<string, unknown>): module is Record<string, unknown> & OpenAi =>
  typeof module["OpenAI"] === "function"

export const openAiAgents = async (url: string): Promise<Run> => {
  const { Agent, OpenAIChatCompletionsModel, run, setTracingDisabled, tool } = await load(
    "@openai/agents",
    isOpenAiAgents
  )
  const { OpenAI } = await load("openai", isOpenAi)
  const { z } = await load("zod", isZod)
  setTracingDisabled(true)
  const agent = new Agent({
    name: "bench",
    instructions,
    model: new OpenAIChatCompletionsModel(new OpenAI({ baseURL: url, apiKey: "key" }), "m"),
    tools: [
      tool({
        name: "weather",
        description,
        parameters: z.object({ city: z.string() }),
        execute: ({ city }: { readonly city: string }) => Promise.resolve(report(city))
      })
    ]
  })
  return async (onFirst) => {
    const result = await run(agent, question, { stream: true, maxTurns: 16 })
    let text = ""
    for await (const delta of result.toTextStream()) {
      onFirst?.()
      text += delta
    }
    await result.completed
    return text
  }
}

/** The least that does the same: no limits, no checks, no events. */
export const rawLoop = (url: string): Run => {
  const tools = [{
    type: "function",
    function: { name: "weather", description, parameters: { type: "object", properties: { city: { type: "string" } } } }
  }]
  return async (onFirst) => {
    const messages: Array<object> = [{ role: "system", content: instructions }, { role: "user", content: question }]
    for (;;) {
      const response = await fetch(`${url}/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "m", messages, tools, stream: true, stream_options: { include_usage: true } })
      })
      const calls: Array<RawCall> = []
      let text = ""
      let rest = ""
      const decoder = new TextDecoder()
      for await (const bytes of response.body!) {
        const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n\n")
        rest = parts.pop() ?? ""
        for (const part of parts) {
          const payload = part.slice(6)
          if (payload === "[DONE]") continue
          const chunk: RawChunk = JSON.parse(payload)
          const delta = chunk.choices[0]?.delta
          if (delta?.content) {
            onFirst?.()
            text += delta.content
          }
          for (const piece of delta?.tool_calls ?? []) {
            const call = calls[piece.index] ??= { id: piece.id ?? "", name: piece.function.name ?? "", arguments: "" }
            call.arguments += piece.function.arguments ?? ""
          }
        }
      }
      if (calls.length === 0) return text
      messages.push({
        role: "assistant",
        content: null,
        tool_calls: calls.map(({ arguments: args, id, name }) => ({
          id,
          type: "function",
          function: { name, arguments: args }
        }))
      })
      const results = await Promise.all(calls.map(async (call) => {
        const { city }: { readonly city: string } = JSON.parse(call.arguments)
        return { role: "tool", tool_call_id: call.id, content: report(city) }
      }))
      messages.push(...results)
    }
  }
}
