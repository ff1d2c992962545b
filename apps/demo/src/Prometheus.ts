/** The metrics of this process in Prometheus' text format 0.0.4. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

type Labels = ReadonlyArray<readonly [name: string, value: string]>

/** One line of a metric: what comes after its name, its labels, its value. */
interface Sample {
  readonly suffix: string
  readonly labels: Labels
  readonly value: number | bigint
}

interface Family {
  readonly type: "counter" | "gauge" | "histogram" | "summary"
  readonly samples: ReadonlyArray<Sample>
}

const nameOf = (name: string) => name.replaceAll(/[^\w:]/g, "_").replace(/^(?=\d)/, "_")
const escapeHelp = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const escapeLabel = (text: string) => escapeHelp(text).replaceAll("\"", "\\\"")

const numberOf = (value: number | bigint) => value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value)

const sample = (value: number | bigint, labels: Labels = [], suffix = ""): Sample => ({ suffix, labels, value })

const histogram = ({ buckets, count, sum }: MetricState.MetricState.Histogram): Family => {
  const finite = buckets.filter(([bound]) => Number.isFinite(bound))
  return {
    type: "histogram",
    samples: [
      ...finite.map(([bound, upTo]) => sample(upTo, [["le", numberOf(bound)]], "_bucket")),
      sample(count, [["le", "+Inf"]], "_bucket"),
      sample(sum, [], "_sum"),
      sample(count, [], "_count")
    ]
  }
}

const summary = ({ count, quantiles, sum }: MetricState.MetricState.Summary): Family => ({
  type: "summary",
  samples: [
    ...quantiles.map(([quantile, value]) =>
      sample(Option.getOrElse(value, () => Number.NaN), [["quantile", String(quantile)]])
    ),
    sample(sum, [], "_sum"),
    sample(count, [], "_count")
  ]
})

const familyOf = (state: MetricState.MetricState.Untyped): Family | undefined => {
  if (MetricState.isCounterState(state)) return { type: "counter", samples: [sample(state.count)] }
  if (MetricState.isGaugeState(state)) return { type: "gauge", samples: [sample(state.value)] }
  if (MetricState.isHistogramState(state)) return histogram(state)
  if (MetricState.isSummaryState(state)) return summary(state)
  if (!MetricState.isFrequencyState(state)) return undefined
  return {
    type: "counter",
    samples: Array.from(state.occurrences, ([word, count]) => sample(count, [["value", word]]))
  }
}

const line = (name: string, tags: Labels) => ({ labels, suffix, value }: Sample): string => {
  const all = [...tags, ...labels].map(([label, text]) => `${nameOf(label)}="${escapeLabel(text)}"`)
  return `${name}${suffix}${all.length === 0 ? "" : `{${all.join(",")}}`} ${numberOf(value)}`
}

/** Metrics of one name stand together, below what the name means. */
export const format = (pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>): string => {
  const families = new Map<string, Array<string>>()
  for (const { metricKey, metricState } of pairs) {
    const family = familyOf(metricState)
    if (family === undefined) continue
    const name = nameOf(metricKey.name)
    const tags: Labels = metricKey.tags.map(({ key, value }) => [key, value])
    const help = Option.match(metricKey.description, {
      onNone: () => [],
      onSome: (text) => [`# HELP ${name} ${escapeHelp(text)}`]
    })
    const lines = families.get(name) ?? [...help, `# TYPE ${name} ${family.type}`]
    families.set(name, lines)
    lines.push(...family.samples.map(line(name, tags)))
  }
  return Array.from(families.values(), (lines) => `${lines.join("\n")}\n`).join("")
}

/** What is measured at this moment. */
export const now: Effect.Effect<string> = Effect.map(Metric.snapshot, format)
