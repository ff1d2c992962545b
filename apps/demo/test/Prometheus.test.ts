import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, MetricBoundaries } from "effect"
import { format, now } from "../src/Prometheus.ts"

/** The lines of the text format that a reader of Prometheus accepts: comments, or a name, labels and a number. */
const isLine = (line: string) =>
  /^# (?:HELP|TYPE) [a-zA-Z_:][\w:]* .+$/.test(line) ||
  /^[a-zA-Z_:][\w:]*(?:\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})? (?:[+-]?(?:\d[\d.e+-]*|Inf)|NaN)$/.test(line)

describe("the metrics as text", () => {
  it.effect("have one type a name, counts that go up to +Inf, and labels that cannot break out", () =>
    Effect.gen(function*() {
      const counter: Metric.Metric.Counter<number> = Metric.counter("test.count-of", {
        description: "what\nis counted"
      })
      yield* Metric.update(Metric.tagged(counter, "who", "a \"b\" \\ c\nd"), 1)
      yield* Metric.update(Metric.tagged(counter, "who", "e"), 1)
      const histogram = Metric.histogram("test_seconds", MetricBoundaries.fromIterable([1, 2]))
      yield* Metric.update(histogram, 1.5)
      yield* Metric.update(histogram, 5)
      yield* Metric.set(Metric.gauge("test_gauge"), -3)
      yield* Metric.update(Metric.frequency("test_words"), "x y")
      const mine = (yield* Metric.snapshot).filter(({ metricKey }) => metricKey.name.startsWith("test"))
      const lines = format(mine).trim().split("\n")
      assert.deepStrictEqual(lines.filter((line) => !isLine(line)), [])
      assert.strictEqual(lines.filter((line) => line.startsWith("# TYPE test_count_of ")).length, 1)
      assert.include(lines, "# HELP test_count_of what\\nis counted")
      assert.include(lines, "test_count_of{who=\"a \\\"b\\\" \\\\ c\\nd\"} 1")
      assert.include(lines, "test_seconds_bucket{le=\"1\"} 0")
      assert.include(lines, "test_seconds_bucket{le=\"2\"} 1")
      assert.include(lines, "test_seconds_bucket{le=\"+Inf\"} 2")
      assert.include(lines, "test_seconds_sum 6.5")
      assert.include(lines, "test_gauge -3")
      assert.include(lines, "test_words{value=\"x y\"} 1")
      assert.include(yield* now, "test_gauge -3")
    }))
})
