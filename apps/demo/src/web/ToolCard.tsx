import { memo, useRef } from "react"
import type { Block } from "../Block.ts"
import { decide } from "./actions.ts"
import { useState } from "./store.ts"
import { useNow } from "./useNow.ts"
import { secondsOf } from "./words.ts"

export type ToolBlock = Extract<Block, { type: "tool" }>

const words = {
  arriving: "arguments arriving",
  waiting: "waits for you",
  refused: "refused",
  running: "running",
  done: "done",
  failed: "failed",
  stopped: "stopped; no result was used"
}

const marks = { arriving: "…", waiting: "?", refused: "⊘", running: "▸", done: "✓", failed: "✗", stopped: "■" }

export const isOpen = ({ status }: ToolBlock): boolean => status === "arriving" || status === "running"

/** More than this is cut where it is shown; the whole of it can be copied. */
const SHOWN_CHARACTERS = 40_000

const Output = ({ title, text }: { title: string; text: string }) => (
  <>
    <h3>{title}</h3>
    <pre tabIndex={0} aria-label={title}>{text.slice(0, SHOWN_CHARACTERS)}</pre>
    {text.length > SHOWN_CHARACTERS ?
      (
        <p className="muted">
          {text.length - SHOWN_CHARACTERS} more characters.{" "}
          <button type="button" className="quiet" onClick={() => void navigator.clipboard.writeText(text)}>
            Copy all of it
          </button>
        </p>
      ) :
      null}
  </>
)

const Elapsed = ({ since }: { since: number }) => <>{secondsOf(Math.max(0, useNow(true) - since))}</>

/** A press of Enter that was meant for something else decides nothing. */
const TOO_SOON_MS = 500

const Decide = ({ callId, name }: { callId: string; name: string }) => {
  const live = useState((state) => state.connection === "live")
  const shownAt = useRef(performance.now())
  const decided = (approved: boolean) => (event: React.MouseEvent) => {
    if (event.timeStamp - shownAt.current < TOO_SOON_MS) return
    // The buttons go; the keys stay in the answer.
    event.currentTarget.closest("article")?.focus()
    decide(callId, approved)
  }
  return (
    <p className="row decide">
      <span>May {name} run with exactly these arguments?</span>
      <button type="button" disabled={!live} onClick={decided(false)}>Don't run it</button>
      <button type="button" disabled={!live} onClick={decided(true)}>Run it</button>
      {live ? null : <span className="muted">A decision needs the server.</span>}
    </p>
  )
}

export const ToolCard = memo(({ block }: { block: ToolBlock }) => {
  const { arguments: given, callId, durationMs, name, output, result, startedAt, status, untrusted } = block
  return (
    <details className={`tool ${status}`} open={status === "failed" || status === "waiting"} data-block={block.id}>
      <summary>
        <span className="mark" aria-hidden="true">{marks[status]}</span>
        <span className="name">{name}</span>
        <span className="badge">
          {words[status]} · {isOpen(block) ? <Elapsed since={startedAt} /> : secondsOf(durationMs)}
          {untrusted ? " · may hold what others wrote" : ""}
        </span>
        {isOpen(block) && output !== ""
          ? <span className="progress">{output.trimEnd().split("\n").at(-1)}</span>
          : null}
      </summary>
      {given === "" ? null : <Output title="Arguments" text={given} />}
      {output === "" ? null : <Output title="While it worked" text={output} />}
      {status === "waiting" ? <Decide callId={callId} name={name} /> : null}
      {result === "" ? null : <Output title={status === "failed" ? "Why it failed" : "Result"} text={result} />}
    </details>
  )
})

/** Calls that have ended well take one line; what runs or failed is never folded away. */
export const ToolFold = memo(({ blocks }: { blocks: ReadonlyArray<ToolBlock> }) => (
  <details className="fold" data-block={blocks[0]?.id}>
    <summary>
      <span className="mark" aria-hidden="true">✓</span>
      Used {blocks.length} tools{" "}
      <span className="badge">
        {[
          ...new Set(blocks.map(({ name }) =>
            name
          ))
        ].join(", ")} · {secondsOf(blocks.reduce((sum, { durationMs }) => sum + durationMs, 0))}
      </span>
    </summary>
    {blocks.map((block) => <ToolCard key={block.id} block={block} />)}
  </details>
))
