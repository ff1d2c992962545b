/** The blocks of a thread as it is shown: turns of a question and its answer, in groups that paint only when seen. */
import type { Block } from "../Block.ts"
import type { ToolBlock } from "./ToolCard.tsx"

type QuestionBlock = Extract<Block, { type: "question" }>
type TextBlock = Extract<Block, { type: "text" }>
type NoticeBlock = Extract<Block, { type: "notice" }>
export type FinishBlock = Extract<Block, { type: "finish" }>

/** A stretch of an answer: text, a call, or calls that have ended well and are told in one line. */
export type Stretch = TextBlock | NoticeBlock | ToolBlock | {
  readonly type: "fold"
  readonly id: string
  readonly tools: ReadonlyArray<ToolBlock>
}

export interface Turn {
  readonly question: QuestionBlock
  readonly stretches: ReadonlyArray<Stretch>
  readonly finish: FinishBlock | undefined
  /** Whether it read what others wrote. */
  readonly untrusted: boolean
}

interface Growing {
  readonly question: QuestionBlock
  readonly answer: Array<TextBlock | NoticeBlock | ToolBlock>
  finish: FinishBlock | undefined
}

const foldDone = (answer: ReadonlyArray<TextBlock | NoticeBlock | ToolBlock>): ReadonlyArray<Stretch> => {
  const stretches: Array<Stretch> = []
  let done: Array<ToolBlock> = []
  const close = () => {
    const [first] = done
    if (first !== undefined) stretches.push(done.length === 1 ? first : { type: "fold", id: first.id, tools: done })
    done = []
  }
  for (const block of answer) {
    // What a call has made is seen without opening anything.
    if (block.type === "tool" && block.status === "done" && block.files.length === 0) done.push(block)
    else {
      close()
      stretches.push(block)
    }
  }
  close()
  return stretches
}

/** Turns that have ended do not change: they are made once. */
const made = new WeakMap<FinishBlock, Turn>()

const turnOf = ({ answer, finish, question }: Growing): Turn => {
  const known = finish === undefined ? undefined : made.get(finish)
  if (known !== undefined) return known
  const untrusted = answer.some((block) => block.type === "tool" && block.untrusted)
  const turn = { question, stretches: foldDone(answer), finish, untrusted }
  if (finish !== undefined) made.set(finish, turn)
  return turn
}

export const turnsOf = (blocks: ReadonlyArray<Block>): ReadonlyArray<Turn> => {
  const turns: Array<Growing> = []
  for (const block of blocks) {
    const last = turns.at(-1)
    if (block.type === "question") turns.push({ question: block, answer: [], finish: undefined })
    else if (block.type === "finish") { if (last !== undefined) last.finish = block }
    else if (block.type !== "run") last?.answer.push(block)
  }
  return turns.map(turnOf)
}

/** How many stretches a group has at least. */
const GROUP = 50

/** The turns before the last one in groups, which never change once they are full. */
export const groupsOf = (turns: ReadonlyArray<Turn>): ReadonlyArray<ReadonlyArray<Turn>> => {
  const groups: Array<Array<Turn>> = []
  let size = GROUP
  for (const turn of turns) {
    if (size >= GROUP) {
      groups.push([])
      size = 0
    }
    groups.at(-1)?.push(turn)
    size += turn.stretches.length + 2
  }
  return groups
}
