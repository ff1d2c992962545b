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
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Capability } from "../Capability.ts"
import type { Call, Interceptor } from "../Interceptor.ts"
import { gatesOf, neededBy, spanName } from "../Operations.ts"
import type { OperationSpec, OperationTable } from "../Operations.ts"
import { CapabilityNotSupported } from "../StoreError.ts"
import type { Prefix } from "../StorePath.ts"
import { attribute, operationKey } from "../Telemetry.ts"

type AnyEffect = Effect.Effect<unknown, unknown, unknown>
type AnyStream = Stream.Stream<unknown, unknown, unknown>
type AnySink = Sink.Sink<unknown, never, unknown, unknown, unknown>
type Answer = AnyEffect | AnyStream | AnySink

const isSink = (answer: AnyStream | AnySink): answer is AnySink => Sink.SinkTypeId in answer

/** @internal A method without its types: what the table can be applied to. Method syntax makes it bivariant. */
export interface Methods {
  readonly [operation: string]: { call(...args: ReadonlyArray<unknown>): Answer }["call"]
}

/** @internal */
export interface Parts {
  readonly table: OperationTable
  readonly backend: string
  readonly base: Prefix
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
  const placeOfPath = spec.arguments.findIndex((role) => role === "key" || role === "prefix" || role === "pattern")
  const refuse = (call: Call, refusal: CapabilityNotSupported): Answer => {
    if (spec.kind === "stream") return observe.stream(call, Stream.fail(refusal))
    return spec.kind === "sink" ? observe.sink(Sink.fail(refusal)) : observe.effect(call, refusal)
  }
  const around = (call: Call, effect: AnyEffect): AnyEffect =>
    parts.interceptors.reduce((next, i) => i.effect?.(call, next) ?? next, effect)
  return (...args: ReadonlyArray<unknown>): Answer => {
    const path = String(args[placeOfPath] ?? "")
    const call: Call = { operation, spec, backend: parts.backend, base: parts.base, path, arguments: args }
    const capability = mayLack ? neededBy(spec, args).find((needed) => !parts.capabilities.has(needed)) : undefined
    if (capability !== undefined) {
      return refuse(call, new CapabilityNotSupported({ capability, path, backend: parts.backend, operation }))
    }
    const result = method(...args)
    if (Effect.isEffect(result)) return observe.effect(call, around(call, result))
    return isSink(result)
      ? observe.sink(Sink.unwrap(Effect.as(around(call, Effect.void), result)))
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
      })),
    /** A sink has no span of its own: it runs in the stream's. */
    sink: (sink: AnySink): AnySink =>
      Sink.unwrap(
        Effect.withFiberRuntime((fiber) =>
          Effect.succeed(Sink.ensuringWith(sink, count(fiber.getFiberRef(FiberRef.currentMetricLabels))))
        )
      )
  }
}
