/**
 * The names of what a store reports. Spans are named `Store.<operation>`.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"

/**
 * Attributes of a store's spans and tags of its metrics.
 *
 * @since 0.1.0
 * @category constants
 */
export const attribute = {
  backend: "store.backend",
  operation: "store.operation",
  path: "store.path",
  outcome: "store.outcome"
} as const

/**
 * Counts finished operations, tagged with backend, operation and outcome (`success`, `failure`, `interrupt`). A
 * stream counts when it ends.
 *
 * @since 0.1.0
 * @category metrics
 */
export const operationCount: Metric.Metric.Counter<number> = Metric.counter("store_operations_total", {
  description: "Finished operations of stores",
  incremental: true
})

/** @internal The key of `operationCount`. */
export const operationKey: MetricKey.MetricKey.Counter<number> = MetricKey.counter("store_operations_total", {
  description: "Finished operations of stores",
  incremental: true
})
