// @effect-diagnostics anyUnknownInErrorContext:off the table applies to operations whatever their types
/** From a table of operations and their bare implementations to what a store offers. */
import * as Context from "effect/Context"
import { liveServices } from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Capability } from "../Capability.ts"
import type { Call, Interceptor } from "../Interceptor.ts"
import { gatesOf, neededBy, spanName } from "../Operations.ts"
import type { OperationSpec, OperationTable } from "../Operations.ts"
import { CapabilityNotSupported } from "../StoreError.ts"
import { attribute, operationKey } from "../Telemetry.ts"

type AnyEffect = Effect.Effect<unknown, unknown, unknown>
type AnyStream = Stream.Stream<unknown, unknown, unknown>

/** @internal A method without its types: what the table can be applied to. Method syntax makes it bivariant. */
export interface Methods {
  readonly [operation: string]: { call(...args: ReadonlyArray<unknown>): AnyEffect | AnyStream }["call"]
}

/** @internal */
export interface Parts {
  readonly table: OperationTable
  readonly backend: string
  readonly capabilities: ReadonlySet<Capability>
  readonly methods: Methods
  readonly interceptors: ReadonlyArray<Interceptor>
}

/** @internal Only operations whose needs are met are there; each is gated, intercepted and observed. */
export const deriveMethods = (parts: Parts): Methods => {
  const derived: { [operation: string]: Methods[string] } = {}
  for (const [operation, spec] of Object.entries(parts.table)) {
    const method = parts.methods[operation]
    if (method !== undefined && spec.needs.every((capability) => parts.capabilities.has(capability))) {
      derived[operation] = deriveMethod(parts, operation, spec, method)
    }
  }
  return derived
}

const deriveMethod = (parts: Parts, operation: string, spec: OperationSpec, method: Methods[string]) => {
  const observe = observer(parts.backend, operation)
  const mayLack = gatesOf(spec).some((capability) => !parts.capabilities.has(capability))
  const placeOfPath = spec.arguments.findIndex((role) => role === "key" || role === "prefix")
  return (...args: ReadonlyArray<unknown>): AnyEffect | AnyStream => {
    const call: Call = {
      operation,
      backend: parts.backend,
      path: String(args[placeOfPath] ?? ""),
      arguments: args
    }
    const capability = mayLack ? neededBy(spec, args).find((needed) => !parts.capabilities.has(needed)) : undefined
    if (capability !== undefined) {
      const refusal = new CapabilityNotSupported({ capability, backend: parts.backend, operation })
      return spec.kind === "stream" ? observe.stream(call, Stream.fail(refusal)) : observe.effect(call, refusal)
    }
    const result = method(...args)
    return Effect.isEffect(result)
      ? observe.effect(call, parts.interceptors.reduce((next, i) => i.effect?.(call, next) ?? next, result))
      : observe.stream(call, parts.interceptors.reduce((next, i) => i.stream?.(call, next) ?? next, result))
  }
}

/** Who traces nothing pays nothing: a span is made below another one, or where a tracer has been installed. */
const isTraced = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentContext.unsafeMap.has(Tracer.ParentSpan.key) || fiber.currentTracer !== untold

const untold = Context.get(liveServices, Tracer.Tracer)

const observer = (backend: string, operation: string) => {
  const counter = (outcome: string) =>
    // With the tags in its key the metric is looked up once; `Metric.tagged` looks it up at every update.
    Metric.fromMetricKey(MetricKey.taggedWithLabels(operationKey, [
      MetricLabel.make(attribute.backend, backend),
      MetricLabel.make(attribute.operation, operation),
      MetricLabel.make(attribute.outcome, outcome)
    ]))
  const success = counter("success")
  const failure = counter("failure")
  const interrupt = counter("interrupt")
  const count = (labels: ReadonlyArray<MetricLabel.MetricLabel>) => (exit: Exit.Exit<unknown, unknown>) => {
    const outcome = Exit.isSuccess(exit) ? success : Exit.isInterrupted(exit) ? interrupt : failure
    outcome.unsafeUpdate(1, labels)
    return Effect.void
  }
  const name = spanName(operation)
  const options = (call: Call) => ({
    attributes: { [attribute.backend]: backend, [attribute.path]: call.path },
    captureStackTrace: false
  })
  return {
    effect: (call: Call, effect: AnyEffect): AnyEffect =>
      Effect.withFiberRuntime((fiber) => {
        const counted = Effect.onExit(effect, count(fiber.getFiberRef(FiberRef.currentMetricLabels)))
        return isTraced(fiber) ? Effect.withSpan(counted, name, options(call)) : counted
      }),
    stream: (call: Call, stream: AnyStream): AnyStream =>
      Stream.unwrap(Effect.withFiberRuntime((fiber) => {
        const counted = Stream.ensuringWith(stream, count(fiber.getFiberRef(FiberRef.currentMetricLabels)))
        return Effect.succeed(isTraced(fiber) ? Stream.withSpan(counted, name, options(call)) : counted)
      }))
  }
}
