import { memo, useEffect, useMemo, useState as useLocal } from "react"
import type { Block } from "../Block.ts"
import { ask, askAgain, askSample } from "./actions.ts"
import { Answer } from "./Answer.tsx"
import { Attachment } from "./Attachment.tsx"
import { copy } from "./clipboard.ts"
import { focusMessage } from "./focus.ts"
import { Made } from "./Made.tsx"
import { upTo } from "./steps.ts"
import { useState } from "./store.ts"
import { ToolCard, ToolFold } from "./ToolCard.tsx"
import { type FinishBlock, groupsOf, type Stretch, type Turn, turnsOf } from "./turns.ts"
import { useFollow } from "./useFollow.ts"
import { secondsOf, timeOf } from "./words.ts"

const kept = ({ toolsDone }: FinishBlock) =>
  toolsDone === 0
    ? "What was said is kept."
    : toolsDone === 1
    ? "1 tool had finished; its result is kept."
    : `${toolsDone} tools had finished; their results are kept.`

const ending = (finish: FinishBlock): string => {
  switch (finish.outcome) {
    case "completed":
      return ""
    case "limited":
      return `A limit was reached. Here is what I have so far. ${finish.message}`
    case "stopped":
      return `You stopped this after ${secondsOf(finish.durationMs)}. ${kept(finish)}`
    case "failed":
      return `This did not work. ${finish.message}`
    case "interrupted":
      return `The server stopped while answering. ${kept(finish)}`
  }
}

/** Sends a question by a button, which goes: the keys go to the message. */
const asking = (send: () => void) => () => {
  send()
  focusMessage()
}

const Ending = ({ finish, question, source }: { finish: FinishBlock; question: string; source: string }) => {
  const models = useState((state) => state.info?.models)
  const words = ending(finish)
  const { outcome } = finish
  return (
    <div className={`finish ${outcome}`} data-block={finish.id}>
      <p>
        {words} <span className="muted">{finish.model}</span>
      </p>
      {outcome === "stopped" || outcome === "interrupted" || outcome === "limited" ?
        <button type="button" onClick={asking(() => askAgain("Go on."))}>Continue</button> :
        null}
      {outcome === "failed" ? <button type="button" onClick={asking(() => askAgain(question))}>Retry</button> : null}
      {outcome === "failed" && models?.[0]?.id === "model" ?
        (
          <button type="button" onClick={asking(() => askAgain(question, "planner"))}>
            Use the offline planner
          </button>
        ) :
        null}
      {source === "" ? null : (
        <button
          type="button"
          className="quiet"
          aria-label="Copy the answer"
          onClick={() => void copy(source, "The answer was copied, as Markdown.")}
        >
          Copy
        </button>
      )}
    </div>
  )
}

/** The text of an answer as it was written. */
const sourceOf = (stretches: ReadonlyArray<Stretch>) =>
  stretches.flatMap((stretch) => stretch.type === "text" ? [stretch.text] : []).join("\n\n")

interface StretchProps {
  readonly conversation: string
  readonly settled: boolean
  readonly stretch: Stretch
  readonly untrusted: boolean
}

const StretchView = ({ conversation, settled, stretch, untrusted }: StretchProps) => {
  switch (stretch.type) {
    case "text":
      return (
        <div data-block={stretch.id}>
          <Answer text={stretch.text} settled={settled} untrusted={untrusted} />
        </div>
      )
    case "notice":
      return <p className="muted notice" data-block={stretch.id}>{stretch.text}</p>
    case "tool":
      return (
        <>
          <ToolCard block={stretch} />
          {stretch.files.map((file) => (
            <Made
              key={file.name}
              block={stretch}
              conversation={conversation}
              file={file}
            />
          ))}
        </>
      )
    case "fold":
      return <ToolFold blocks={stretch.tools} />
  }
}

interface TurnProps {
  readonly conversation: string
  readonly turn: Turn
  /** Whether it has been asked just now, so that it has the view to itself. */
  readonly tall: boolean
}

const TurnView = memo(({ conversation, tall, turn }: TurnProps) => {
  const { finish, question, stretches, untrusted } = turn
  const time = timeOf(question.at)
  return (
    <div className={tall ? "turn tall" : "turn"}>
      <article className="question" aria-labelledby={`${question.id}-you`} data-block={question.id} tabIndex={-1}>
        <h2 id={`${question.id}-you`} className="visually-hidden">You, {time}</h2>
        <p>{question.text}</p>
        {question.attachments.map((file) => <Attachment key={file.name} conversation={conversation} file={file} />)}
      </article>
      <article className="reply" aria-labelledby={`${question.id}-sennit`} tabIndex={-1}>
        <h2 id={`${question.id}-sennit`} className="visually-hidden">Sennit, {time}</h2>
        {stretches.map((stretch, index) => (
          <StretchView
            key={stretch.id}
            conversation={conversation}
            stretch={stretch}
            settled={finish !== undefined || index < stretches.length - 1}
            untrusted={untrusted}
          />
        ))}
        {finish === undefined ? null : <Ending finish={finish} question={question.text} source={sourceOf(stretches)} />}
      </article>
    </div>
  )
})

const Group = memo(
  ({ conversation, turns }: { conversation: string; turns: ReadonlyArray<Turn> }) => (
    <div className="group">
      {turns.map((turn) => <TurnView key={turn.question.id} conversation={conversation} turn={turn} tall={false} />)}
    </div>
  ),
  (before, after) =>
    before.conversation === after.conversation && before.turns.length === after.turns.length &&
    before.turns.every((turn, index) => turn === after.turns[index])
)

/** The newest groups are painted at once, older ones while the page has nothing else to do. */
const AT_FIRST = 2

const Turns = ({ blocks, conversation, tall }: {
  blocks: ReadonlyArray<Block>
  conversation: string
  tall: string | undefined
}) => {
  const turns = useMemo(() => turnsOf(blocks), [blocks])
  const groups = useMemo(() => groupsOf(turns.slice(0, -1)), [turns])
  const [shown, setShown] = useLocal(AT_FIRST)
  useEffect(() => {
    if (shown >= groups.length) return
    const idle = requestIdleCallback(() => setShown(shown + 1))
    return () => cancelIdleCallback(idle)
  }, [shown, groups.length])
  const last = turns.at(-1)
  return (
    <>
      {groups.slice(-shown).map((group) => (
        <Group key={group[0]?.question.id} conversation={conversation} turns={group} />
      ))}
      {last === undefined ?
        null :
        <TurnView conversation={conversation} turn={last} tall={last.question.id === tall} />}
    </>
  )
}

const samples = [
  { question: "What was the best month?", file: "sales.csv", about: "a table of sales" },
  { question: "What was the average temperature_c by station?", file: "weather.csv", about: "a table of weather" },
  { question: "What does the handbook say about late returns?", file: "handbook.md", about: "a document" }
]

const FirstRun = () => {
  const folder = useState((state) => state.info?.dataFolder)
  return (
    <div className="first">
      <h2>Ask about a file, a page, or what you told it before</h2>
      <ul className="cards">
        {samples.map(({ about, file, question }) => (
          <li key={file}>
            <button type="button" onClick={asking(() => askSample(question, file))}>
              {question} <span className="muted">{file}, {about}</span>
            </button>
          </li>
        ))}
        <li>
          <button type="button" onClick={asking(() => ask("Remember that my sister Ada lives in Porto", () => {}))}>
            Remember that my sister Ada lives in Porto <span className="muted">then ask where Ada lives</span>
          </button>
        </li>
      </ul>
      <p className="muted">Or drop a file of your own: CSV, JSON, text, Markdown, HTML, PDF or an image.</p>
      {folder === undefined ? null : (
        <p className="muted">
          Conversations are encrypted. Memory and attached files are not yet. The data folder is <code>{folder}</code>.
        </p>
      )}
    </div>
  )
}

const Skeleton = () => (
  <div className="skeleton" aria-busy="true">
    <span className="visually-hidden">Reading…</span>
  </div>
)

const none: ReadonlyArray<Block> = []

/** Keys that move through the thread; any of them is a wish to read. */
const readingKeys = new Set(["PageUp", "ArrowUp", "Home"])

export const Thread = () => {
  const open = useState((state) => state.open)
  const route = useState((state) => state.route)
  const missing = useState((state) => state.missing)
  const lost = useState((state) => state.connection === "lost")
  const step = useState((state) => state.step)
  const blocks = useMemo(() => upTo(open?.blocks ?? none, step), [open?.blocks, step])
  const running = open?.summary.running ?? false
  const { below, box, kept: asked, leave, onScroll, toEnd } = useFollow(open?.id, blocks)
  return (
    <div className="scroll">
      <div
        ref={box}
        className={below === undefined ? "thread following" : "thread"}
        id="thread"
        role="log"
        aria-label="Conversation"
        aria-live="off"
        aria-busy={running}
        tabIndex={0}
        onScroll={onScroll}
        onWheel={(event) => event.deltaY < 0 && leave()}
        onTouchMove={leave}
        onKeyDown={(event) => readingKeys.has(event.key) && leave()}
      >
        {missing === undefined ? null : <p className="problem">{missing}</p>}
        {missing === undefined && (route === undefined || (open !== undefined && blocks.length === 0)) ?
          <FirstRun /> :
          null}
        {route !== undefined && open === undefined && missing === undefined ? <Skeleton /> : null}
        {open === undefined ? null : <Turns blocks={blocks} conversation={open.id} tall={asked} />}
        {running && lost ? <p className="muted">Waiting for the server.</p> : null}
      </div>
      {below === undefined ?
        null :
        (
          <button type="button" className="latest" onClick={toEnd}>
            {below === 0 ? "Latest" : `${below} new below`}
          </button>
        )}
    </div>
  )
}
