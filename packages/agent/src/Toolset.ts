/**
 * The tools that an agent may use, by name.
 *
 * @since 0.1.0
 */
import type { AgentTool } from "./AgentTool.ts"
import { approved, renamed } from "./AgentTool.ts"
import type { ModelTool } from "./ChatModel.ts"

/**
 * Tools in the order in which the model sees them. The order is kept so that
 * the beginning of every request to a model stays the same.
 *
 * @since 0.1.0
 * @category models
 */
export interface Toolset<out R = never> {
  readonly tools: ReadonlyMap<string, AgentTool<R>>
  readonly modelTools: ReadonlyArray<ModelTool>
}

/**
 * What the handlers of some tools or toolsets need.
 *
 * @since 0.1.0
 * @category models
 */
export type Requirements<T> = T extends AgentTool<infer R> ? R : T extends Toolset<infer R> ? R : never

const fromTools = <R>(tools: Iterable<AgentTool<R>>): Toolset<R> => {
  const byName = new Map<string, AgentTool<R>>()
  for (const tool of tools) {
    if (byName.has(tool.name)) throw new TypeError(`Two tools are named "${tool.name}"`)
    byName.set(tool.name, tool)
  }
  const modelTools = Array.from(
    byName.values(),
    ({ description, name, parameters }) => ({ name, description, parameters })
  )
  return { tools: byName, modelTools }
}

/**
 * A toolset of these tools. Throws when two have the same name.
 *
 * @since 0.1.0
 * @category constructors
 */
export function make<Tools extends ReadonlyArray<AgentTool<unknown>>>(
  ...tools: Tools
): Toolset<Requirements<Tools[number]>>
/** @internal */
export function make(...tools: ReadonlyArray<AgentTool<unknown>>): Toolset<unknown> {
  return fromTools(tools)
}

/**
 * No tools.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Toolset = fromTools([])

/**
 * All tools of some toolsets. Throws when two have the same name.
 *
 * @since 0.1.0
 * @category combinators
 */
export function merge<Sets extends ReadonlyArray<Toolset<unknown>>>(
  ...sets: Sets
): Toolset<Requirements<Sets[number]>>
/** @internal */
export function merge(...sets: ReadonlyArray<Toolset<unknown>>): Toolset<unknown> {
  return fromTools(sets.flatMap((set) => Array.from(set.tools.values())))
}

/**
 * Only the tools that satisfy the predicate, such as those without side
 * effects.
 *
 * @since 0.1.0
 * @category combinators
 */
export const filter = <R>(self: Toolset<R>, predicate: (tool: AgentTool<R>) => boolean): Toolset<R> =>
  fromTools(Array.from(self.tools.values()).filter(predicate))

/**
 * The tools that satisfy the predicate wait for a decision before they run: by
 * default those that have side effects.
 *
 * @since 0.1.0
 * @category combinators
 */
export const approve = <R>(
  self: Toolset<R>,
  predicate: (tool: AgentTool<R>) => boolean = (tool) => tool.annotations.sideEffect !== "none"
): Toolset<R> => fromTools(Array.from(self.tools.values(), (tool) => predicate(tool) ? approved(tool) : tool))

/**
 * Puts `prefix` and two underscores before every name, so that tools of
 * different servers do not clash. Throws when a name gets longer than 64
 * characters.
 *
 * @since 0.1.0
 * @category combinators
 */
export const namespace = <R>(self: Toolset<R>, prefix: string): Toolset<R> =>
  fromTools(Array.from(self.tools.values(), (tool) => renamed(tool, `${prefix}__${tool.name}`)))
