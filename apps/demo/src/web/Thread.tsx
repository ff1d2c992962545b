import { memo, useLayoutEffect, useMemo, useRef, useState as useLocal } from "react"
import type { Block } from "../Api.ts"
import { ask, askSample } from "./actions.ts"
import { GrowingMarkdown, type SafeHtml } from "./markdown.ts"
import { useState } from "./store.ts"

const Html = memo(({ html }: { html: SafeHtml }) => <div dangerouslySetInnerHTML={{ __html: html }} />)

const Markdown = ({ text }: { text: string }) => {
  const parser = useRef<GrowingMarkdown>(undefined)
  parser.current ??= new GrowingMarkdown()
  const parts = useMemo(() => parser.current!.update(text), [text])
  // The order of parts never changes, only the last one does.
  // oxlint-disable-next-line react/no-array-index-key
  return <div className="answer">{parts.map((html, index) => <Html key={index} html={html} />)}</div>
}

const sizeOf = (bytes: number) =>
  bytes < 1000
    ? `${bytes} B`
    : bytes < 1_000_000
    ? `${Math.round(bytes / 1000)} KB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`

const ToolCard = memo(({ block }: { block: Extract<Block, { type: "tool" }> }) => {
  const words = { running: "running", done: "done", failed: "failed" }
  const duration = block.status === "running" ? "" : ` · ${(block.durationMs / 1000).toFixed(1)} s`
  return (
    <details className={`tool ${block.status}`} open={block.status === "failed"}>
      <summary>
        <span className="name">{block.name}</span>
        <span className="badge">{words[block.status]}{duration}</span>
      </summary>
      <h3>Arguments</h3>
      <pre>{block.arguments}</pre>
      {block.result === "" ? null : (
        <>
          <h3>Result</h3>
          <pre>{block.result}</pre>
        </>
      )}
    </details>
  )
})

const endings = {
  completed: "",
  limited: "A limit was reached; this is what was found so far.",
  stopped: "You stopped this. What had finished is kept.",
  failed: "This did not work.",
  interrupted: "The server stopped while answering. What had finished is kept; ask again to go on."
}

const BlockView = memo(({ block }: { block: Block }) => {
  switch (block.type) {
    case "question":
      return (
        <article className="question" aria-label="You">
          <p>{block.text}</p>
          {block.attachments.map(({ name, size }) => <span key={name} className="file">{name} · {sizeOf(size)}</span>)}
        </article>
      )
    case "text":
      return (
        <article aria-label="Sennit">
          <Markdown text={block.text} />
        </article>
      )
    case "tool":
      return <ToolCard block={block} />
    case "finish":
      return (
        <p className={`finish ${block.outcome}`}>
          {endings[block.outcome]} {block.message} <span className="muted">{block.model}</span>
        </p>
      )
  }
})

/** How near the end counts as being there: a rounding error, not an intention. */
const AT_END_PX = 2

/**
 * The thread follows the answer until the reader scrolls away, and again when the reader returns to the end.
 * Only input of the reader changes that: growing content never does.
 */
const useFollow = (blocks: ReadonlyArray<Block>) => {
  const box = useRef<HTMLDivElement>(null)
  const before = useRef({ top: 0, height: 0 })
  const [follow, setFollow] = useLocal(true)
  const toEnd = () => {
    const element = box.current
    if (element !== null) element.scrollTop = element.scrollHeight
  }
  const onScroll = () => {
    const { clientHeight, scrollHeight, scrollTop } = box.current!
    if (scrollTop + clientHeight >= scrollHeight - AT_END_PX) setFollow(true)
    else if (scrollTop < before.current.top && scrollHeight === before.current.height) setFollow(false)
    before.current = { top: scrollTop, height: scrollHeight }
  }
  useLayoutEffect(() => {
    if (follow) toEnd()
  }, [blocks, follow])
  return {
    box,
    follow,
    onScroll,
    toEnd: () => {
      setFollow(true)
      toEnd()
    },
    leave: () => setFollow(false)
  }
}

const samples = [
  { question: "What was the best month?", file: "sales.csv" },
  { question: "What was the average temperature_c by station?", file: "weather.csv" },
  { question: "What does the handbook say about late returns?", file: "handbook.md" }
]

const FirstRun = () => (
  <div className="first">
    <h2>Ask about a file, a page, or what you told it before</h2>
    <p className="muted">Attach a CSV, Markdown, text or JSON file below, or begin with one of these:</p>
    {samples.map(({ file, question }) => (
      <button key={file} type="button" onClick={() => askSample(question, file)}>
        {question} <span className="muted">{file}</span>
      </button>
    ))}
    <button type="button" onClick={() => ask("Remember that my sister Ada lives in Porto", () => {})}>
      Remember that my sister Ada lives in Porto
    </button>
    <p className="muted">
      Everything stays on this machine. Conversations are encrypted; memory and attached files are not yet.
    </p>
  </div>
)

export const Thread = () => {
  const open = useState((state) => state.open)
  const route = useState((state) => state.route)
  const missing = useState((state) => state.missing)
  const blocks = open?.blocks ?? []
  const { box, follow, leave, onScroll, toEnd } = useFollow(blocks)
  return (
    <div className="scroll">
      <div
        ref={box}
        className="thread"
        role="log"
        aria-label="Conversation"
        aria-live="off"
        aria-busy={open?.summary.running ?? false}
        tabIndex={0}
        onScroll={onScroll}
        onWheel={(event) => event.deltaY < 0 && leave()}
      >
        {missing !== undefined ? <p className="problem">{missing}</p> : null}
        {route === undefined || (open !== undefined && blocks.length === 0) ? <FirstRun /> : null}
        {route !== undefined && open === undefined && missing === undefined ? <p aria-busy="true">Reading…</p> : null}
        {blocks.map((block) => <BlockView key={block.id} block={block} />)}
      </div>
      {follow || blocks.length === 0 ? null : <button type="button" className="latest" onClick={toEnd}>Latest</button>}
    </div>
  )
}
