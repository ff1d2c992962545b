import { useMemo } from "react"
import type { Block } from "../Block.ts"
import { showStep, stepsOf } from "./steps.ts"
import { useState } from "./store.ts"

const none: ReadonlyArray<Block> = []

const wordsOf = (block: Block | undefined): string => {
  switch (block?.type) {
    case "question":
      return "a question"
    case "text":
      return "a part of the answer"
    case "tool":
      return `${block.name}, ${block.status}`
    case "notice":
      return block.text
    case "finish":
      return `the end, ${block.outcome}`
    default:
      return ""
  }
}

/** Goes through what happened, step by step; nothing is run again. */
export const Replay = () => {
  const blocks = useState((state) => state.open?.blocks ?? none)
  const chosen = useState((state) => state.step)
  const steps = useMemo(() => stepsOf(blocks), [blocks])
  if (steps.length === 0) return null
  const step = Math.min(chosen ?? steps.length, steps.length)
  const words = `${step} of ${steps.length}: ${wordsOf(steps[step - 1])}`
  return (
    <>
      <h3>Replay</h3>
      <label className="replay">
        Step {words}
        <input
          type="range"
          min={1}
          max={steps.length}
          value={step}
          aria-valuetext={words}
          onChange={({ target }) => showStep(Number(target.value) === steps.length ? undefined : Number(target.value))}
        />
      </label>
      {chosen === undefined ?
        null :
        <p className="muted">The thread shows how it was then. Go to the last step, or ask, to be back.</p>}
    </>
  )
}
