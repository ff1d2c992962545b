import * as DateTime from "effect/DateTime"
import { useEffect, useRef, useState as useLocal } from "react"
import type { MemorySummary } from "../Api.ts"
import { besides } from "./focus.ts"
import { askMemory, correctMemory, forgetMemory, openMemory, showHistory } from "./insight.ts"
import { useState } from "./store.ts"
import { dayAndTimeOf } from "./words.ts"

const partNames: Readonly<Record<string, string>> = {
  turn: "says it in these words",
  near: "words near it",
  far: "words of its conversation",
  session: "its conversation",
  speaker: "who said it",
  expansion: "related words",
  recency: "recent",
  importance: "weight"
}

/** The parts as numbers and bars; they add up to the score. */
const Why = ({ why }: { why: NonNullable<MemorySummary["why"]> }) => (
  <details className="why">
    <summary>Why? Score {why.score.toFixed(3)}</summary>
    <ul>
      {why.parts.map(({ name, share }) => (
        <li key={name}>
          {partNames[name] ?? name}: {share.toFixed(3)}
          <meter aria-hidden="true" min={0} max={why.score} value={share} />
        </li>
      ))}
    </ul>
  </details>
)

const Correct = ({ memory, close }: { memory: MemorySummary; close: () => void }) => {
  const field = useRef<HTMLTextAreaElement>(null)
  return (
    <form
      className="correct"
      onSubmit={(event) => {
        event.preventDefault()
        const text = field.current!.value.trim()
        if (text !== "") correctMemory(memory.id, memory.version, text, close)
      }}
    >
      <textarea ref={field} rows={2} aria-label="Corrected text" defaultValue={memory.text} />
      <button type="submit">Save</button>
      <button type="button" onClick={close}>Cancel</button>
    </form>
  )
}

const History = ({ id }: { id: string }) => {
  const revisions = useState((state) => state.revisions)
  if (revisions?.id !== id) return null
  return (
    <ol className="history" aria-label="Versions">
      {revisions.all.map(({ recordedAt, text, version }) => (
        <li key={version}>
          {text} <span className="muted">{dayAndTimeOf(recordedAt)}</span>
        </li>
      ))}
    </ol>
  )
}

const FORGET = "button[aria-label^=\"Forget\"]"

const focusQuestion = () => document.querySelector<HTMLElement>(".asked input")?.focus()

const Item = ({ memory }: { memory: MemorySummary }) => {
  const [correcting, setCorrecting] = useLocal(false)
  const corrects = useRef<HTMLButtonElement>(null)
  const close = () => {
    setCorrecting(false)
    corrects.current?.focus()
  }
  const { id, savedAt, text, validTo, version, why } = memory
  return (
    <li>
      {correcting ?
        <Correct memory={memory} close={close} /> :
        <span className={validTo === null ? "" : "muted"}>{text}</span>}
      <p className="row">
        <span className="muted">
          {dayAndTimeOf(savedAt)}
          {validTo === null ? null : ` · until ${dayAndTimeOf(validTo)}`}
        </span>
        <button
          ref={corrects}
          type="button"
          className="quiet"
          aria-label={`Correct: ${text}`}
          onClick={() => setCorrecting(true)}
        >
          Correct
        </button>
        {version > 1 ?
          (
            <button type="button" className="quiet" aria-label={`History: ${text}`} onClick={() => showHistory(id)}>
              History
            </button>
          ) :
          null}
        <button
          type="button"
          className="quiet"
          aria-label={`Forget: ${text}`}
          onClick={({ currentTarget }) => forgetMemory(id, besides(currentTarget.closest("li"), FORGET, focusQuestion))}
        >
          Forget
        </button>
      </p>
      {why === undefined ? null : <Why why={why} />}
      <History id={id} />
    </li>
  )
}

/** What is asked of the memory; the last question of the open conversation is one click away. */
const Question = () => {
  const field = useRef<HTMLInputElement>(null)
  const day = useRef<HTMLInputElement>(null)
  const last = useState((state) => state.open?.blocks.findLast((block) => block.type === "question"))
  const send = () => {
    const { value } = day.current!
    // The end of the chosen day.
    const asOf = value === "" ? undefined : DateTime.toEpochMillis(DateTime.unsafeMakeZoned(`${value}T23:59:59.999`, {
      timeZone: DateTime.zoneMakeLocal(),
      adjustForTimeZone: true
    }))
    askMemory({ question: field.current!.value, asOf })
  }
  return (
    <form
      className="asked"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <input ref={field} type="search" aria-label="Ask the memory" placeholder="What would it recall for …?" />
      <label>
        As of <input ref={day} type="date" onChange={send} />
      </label>
      <button type="submit">Ask</button>
      {last?.type === "question" ?
        (
          <button
            type="button"
            onClick={() => {
              field.current!.value = last.text
              send()
            }}
          >
            For my last question
          </button>
        ) :
        null}
    </form>
  )
}

export const Memory = () => {
  const memories = useState((state) => state.memories)
  useEffect(openMemory, [])
  return (
    <>
      <Question />
      {memories === undefined ?
        <p className="muted" aria-busy="true">Reading…</p> :
        memories.length === 0 ?
        <p className="muted">Nothing remembered. Say: “Remember that …”.</p> :
        <ul className="memories">{memories.map((memory) => <Item key={memory.id} memory={memory} />)}</ul>}
    </>
  )
}
