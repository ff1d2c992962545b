/** The conversation as it stood after some of its steps; the address says after how many. */
import type { Block } from "../Block.ts"
import { current, update } from "./store.ts"

/** How far a run is, is no step of it. */
const isStep = ({ type }: Block) => type !== "run"

export const stepsOf = (blocks: ReadonlyArray<Block>): ReadonlyArray<Block> => blocks.filter(isStep)

export const stepOf = (search: string): number | undefined => {
  const at = new URLSearchParams(search).get("at") ?? ""
  return /^[1-9]\d{0,6}$/.test(at) ? Number(at) : undefined
}

/** Shows the conversation after so many steps, or as it is now. */
export const showStep = (step: number | undefined): void => {
  if (current().step === step) return
  const { hash, pathname } = globalThis.location
  history.replaceState(null, "", `${pathname}${step === undefined ? "" : `?at=${step}`}${hash}`)
  update({ step })
}

/** What there was after so many steps; the same blocks where that is all. */
export const upTo = (blocks: ReadonlyArray<Block>, step: number | undefined): ReadonlyArray<Block> => {
  const next = step === undefined ? undefined : stepsOf(blocks)[step]
  return next === undefined ? blocks : blocks.slice(0, blocks.indexOf(next))
}
