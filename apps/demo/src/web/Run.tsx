import type { Block } from "../Block.ts"
import { Replay } from "./Replay.tsx"
import { useState } from "./store.ts"
import { isOpen, type ToolBlock } from "./ToolCard.tsx"
import { useNow } from "./useNow.ts"
import { secondsOf } from "./words.ts"

type RunBlock = Extract<Block, { type: "run" }>

const none: ReadonlyArray<Block> = []

/** The last run of the open conversation and its calls. */
const lastRun = (blocks: ReadonlyArray<Block>) => {
  const at = blocks.findLastIndex(({ type }) => type === "run")
  const run = blocks[at]
  return run?.type === "run"
    ? { run, tools: blocks.slice(at).filter((block): block is ToolBlock => block.type === "tool") }
    : undefined
}

const Meter = ({ label, max, value, words }: { label: string; max: number; value: number; words: string }) => (
  <p className="meter">
    <span>{label}: {words}</span>
    <meter aria-label={label} min={0} max={max} high={max * 0.8} value={Math.min(value, max)} />
  </p>
)

const endOf = (tool: ToolBlock, now: number) => isOpen(tool) ? now : tool.startedAt + tool.durationMs

/** Calls that ran at the same time lie beside each other; the numbers say the same as the bars. */
const Timeline = ({ now, run, tools }: { now: number; run: RunBlock; tools: ReadonlyArray<ToolBlock> }) => {
  const whole = Math.max(
    1,
    ...tools.map((tool) => endOf(tool, now) - run.startedAt),
    run.durationMs ?? now - run.startedAt
  )
  const percent = (millis: number) => `${Math.min(100, 100 * millis / whole)}%`
  return (
    <ol className="timeline" aria-label="Timeline">
      {tools.map((tool) => (
        <li key={tool.id}>
          <span>
            {tool.name}{" "}
            <span className="muted">
              at {secondsOf(tool.startedAt - run.startedAt)} for {secondsOf(endOf(tool, now) - tool.startedAt)},{" "}
              {tool.status}
            </span>
          </span>
          <span className="lane" aria-hidden="true">
            <span
              className={`bar ${tool.status}`}
              style={{
                marginInlineStart: percent(tool.startedAt - run.startedAt),
                inlineSize: percent(Math.max(1, endOf(tool, now) - tool.startedAt))
              }}
            />
          </span>
        </li>
      ))}
    </ol>
  )
}

export const Run = () => {
  const blocks = useState((state) => state.open?.blocks ?? none)
  const limits = useState((state) => state.info?.limits)
  const found = lastRun(blocks)
  const now = useNow(found !== undefined && found.run.durationMs === null)
  if (found === undefined || limits === undefined) {
    return <p className="muted">Nothing was asked here yet. What the assistant does is shown here while it does it.</p>
  }
  const { run, tools } = found
  const took = run.durationMs ?? Math.max(0, now - run.startedAt)
  return (
    <>
      <h3>Budget</h3>
      <Meter label="Steps" max={limits.steps} value={run.steps} words={`${run.steps} of ${limits.steps}`} />
      <Meter
        label="Tool calls"
        max={limits.toolCalls}
        value={run.toolCalls}
        words={`${run.toolCalls} of ${limits.toolCalls}`}
      />
      <Meter
        label="Time"
        max={limits.seconds}
        value={took / 1000}
        words={`${secondsOf(took)} of ${limits.seconds} s`}
      />
      <p className="meter">
        Tokens: {run.inputTokens + run.outputTokens === 0
          ? "the model did not say"
          : `${run.inputTokens} in, ${run.outputTokens} out`}
      </p>
      <h3>Timeline</h3>
      {tools.length === 0 ? <p className="muted">No tool was used.</p> : <Timeline now={now} run={run} tools={tools} />}
      <Replay />
    </>
  )
}
