import { useEffect, useRef } from "react"
import { ask, attach, stop, unattach } from "./actions.ts"
import { keepDraft, readDraft } from "./drafts.ts"
import { focusMessage } from "./focus.ts"
import { say } from "./say.ts"
import { type ChosenFile, current, useState } from "./store.ts"
import { shownName } from "./words.ts"

const none: ReadonlyArray<ChosenFile> = []

/** Enter that ends the composition of a character is not a send; some browsers end it just before. */
const AFTER_COMPOSITION_MS = 100
/** The second Esc stops; the first one only says so. */
const SECOND_ESC_MS = 2000

const Chosen = ({ files }: { files: ReadonlyArray<ChosenFile> }) => (
  <ul className="chosen" aria-label="Files of this message">
    {files.map(({ name, state }) => (
      <li key={name} className="file">
        <bdi>{shownName(name)}</bdi>
        {state === "uploading" ? <progress aria-label={`Uploading ${shownName(name)}`} /> : null}
        <button
          type="button"
          className="quiet"
          aria-label={`Do not attach ${shownName(name)}`}
          onClick={() => {
            unattach(name)
            focusMessage()
          }}
        >
          ✕
        </button>
      </li>
    ))}
  </ul>
)

const lastQuestion = () => {
  const block = current().open?.blocks.findLast(({ type }) => type === "question")
  return block?.type === "question" ? block.text : ""
}

/** The message field is uncontrolled: typing never renders the thread again. */
const useMessage = (conversation: string) => {
  const field = useRef<HTMLTextAreaElement>(null)
  const composed = useRef(Number.NEGATIVE_INFINITY)
  const escaped = useRef(Number.NEGATIVE_INFINITY)
  const running = useState((state) => state.open?.summary.running ?? false)
  const send = () => {
    const element = field.current!
    const question = element.value.trim()
    if (question === "" || running) return
    ask(question, () => {
      // What was typed meanwhile stays.
      if (element.value.trim() === question) element.value = ""
    })
  }
  const onEnter = (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
    const composing = event.nativeEvent.isComposing || event.keyCode === 229 ||
      event.timeStamp - composed.current < AFTER_COMPOSITION_MS
    if (event.shiftKey || composing) return
    event.preventDefault()
    if (running) say("Still answering. Your text is kept; send it when the answer has ended.")
    send()
  }
  const onEscape = (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
    if (!running) return
    if (event.timeStamp - escaped.current < SECOND_ESC_MS) return stop()
    escaped.current = event.timeStamp
    say("Press Esc again to stop the answer.")
  }
  const onUp = (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
    const text = lastQuestion()
    if (field.current!.value !== "" || text === "") return
    event.preventDefault()
    field.current!.value = text
    keepDraft(conversation, text)
  }
  return {
    field,
    running,
    send,
    onCompositionEnd: (event: React.CompositionEvent) => {
      composed.current = event.timeStamp
    },
    onKeyDown: (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
      if (event.key === "Enter") onEnter(event)
      else if (event.key === "Escape") onEscape(event)
      else if (event.key === "ArrowUp") onUp(event)
    }
  }
}

export const Composer = ({ conversation }: { conversation: string }) => {
  const { field, onCompositionEnd, onKeyDown, running, send } = useMessage(conversation)
  const picker = useRef<HTMLInputElement>(null)
  const chosen = useState((state) => state.chosen[conversation] ?? none)
  // A newer draft of another tab takes the place of this one's.
  useEffect(() => {
    const onStorage = () => {
      const element = field.current
      const draft = readDraft(conversation)
      if (element !== null && document.activeElement !== element) element.value = draft
    }
    globalThis.addEventListener("storage", onStorage)
    return () => globalThis.removeEventListener("storage", onStorage)
  }, [conversation, field])
  return (
    <form
      aria-label="Message"
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      {chosen.length === 0 ? null : <Chosen files={chosen} />}
      <textarea
        ref={field}
        id="message"
        rows={2}
        aria-label="Your message"
        placeholder="Ask a question. Enter sends, Shift+Enter makes a new line."
        defaultValue={readDraft(conversation)}
        onChange={(event) => keepDraft(conversation, event.target.value)}
        onCompositionEnd={onCompositionEnd}
        onKeyDown={onKeyDown}
        onPaste={(event) => {
          if (event.clipboardData.files.length === 0) return
          event.preventDefault()
          attach(Array.from(event.clipboardData.files))
        }}
      />
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        onChange={(event) => {
          attach(Array.from(event.target.files ?? []))
          event.target.value = ""
        }}
      />
      <button type="button" onClick={() => picker.current?.click()}>Attach</button>
      {running
        ? <button type="button" className="stop" onClick={stop}>Stop</button>
        : <button type="submit">Send</button>}
    </form>
  )
}
