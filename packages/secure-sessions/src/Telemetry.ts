/**
 * Names of what the package reports. Sealing and opening single records have no span of their own: they take
 * microseconds and a span would cost as much. No name, attribute or value carries content or keys.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Data keys made or unwrapped by the key provider; a steady rate far above the number of users shows a cache that is
 * too small.
 *
 * @category metrics
 * @since 0.1.0
 */
export const keyLoads: Metric.Metric.Counter<number> = Metric.counter("sennit_session_key_loads")

/**
 * Records that did not open, tagged with `reason`; any count of `AuthenticationFailed` deserves a look.
 *
 * @category metrics
 * @since 0.1.0
 */
export const openFailures: Metric.Metric.Counter<number> = Metric.counter("sennit_session_open_failures")

/**
 * Appends that met a session changed by somebody else.
 *
 * @category metrics
 * @since 0.1.0
 */
export const staleAppends: Metric.Metric.Counter<number> = Metric.counter("sennit_session_stale_appends")

/**
 * Tag of `openFailures`.
 *
 * @category attributes
 * @since 0.1.0
 */
export const reasonAttribute = "reason"
