// @effect-diagnostics nodeBuiltinImport:off - tells Node how to find the files of packages
/**
 * ADK, and what is built on it. Tests run under the condition `module`, by which dependencies of ADK offer files for
 * bundlers that Node cannot load: here that condition does not count, neither for `import` nor for `require`.
 */
import Module, { register } from "node:module"

const hook = `export const resolve = (specifier, context, next) =>
  next(specifier, { ...context, conditions: context.conditions.filter((name) => name !== "module") })`

register(`data:text/javascript,${encodeURIComponent(hook)}`)

const find: unknown = Reflect.get(Module, "_resolveFilename")

if (typeof find === "function") {
  Reflect.set(Module, "_resolveFilename", (...request: ReadonlyArray<unknown>): unknown => {
    const found: unknown = Reflect.apply(find, Module, request)
    return typeof found === "string" ? found.replace(/(@opentelemetry\/[^/]+\/build)\/esm\//, "$1/src/") : found
  })
}

export const {
  BaseLlm,
  createEvent,
  createEventActions,
  FunctionTool,
  InMemorySessionService,
  LlmAgent,
  LogLevel,
  Runner,
  setLogLevel
} = await import("@google/adk")

export const Adk = await import("@sennit/secure-sessions/Adk")
