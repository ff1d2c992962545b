import { useRef } from "react"
import { ask, attach, stop, unattach } from "./actions.ts"
import { keepDraft, readDraft } from "./drafts.ts"
import { type ChosenFile, useState } from "./store.ts"

const none: ReadonlyArray<ChosenFile> = []

/** The message field is uncontrolled: typing never renders the thread again. */
export const Composer = ({ conversation }: { conversation: string }) => {
  const field = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  const running = useState((state) => state.open?.summary.running ?? false)
  const chosen = useState((state) => state.chosen[conversation] ?? none)
  const send = () => {
    const element = field.current!
    const question = element.value.trim()
    if (question === "" || running) return
    ask(question, () => {
      // What was typed meanwhile stays.
      if (element.value.trim() === question) element.value = ""
    })
  }
  return (
    <form
      aria-label="Message"
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault()
        attach(event.dataTransfer.files)
      }}
    >
      {chosen.length === 0 ? null : (
        <ul className="chosen">
          {chosen.map(({ name, state }) => (
            <li key={name} className="file">
              {name} {state === "uploading" ? "· uploading" : null}
              <button
                type="button"
                className="quiet"
                aria-label={`Do not attach ${name}`}
                onClick={() => unattach(name)}
              >
                ✕
              </button>
            </li>
          ))}
        </ul>
      )}
      <textarea
        ref={field}
        id="message"
        rows={2}
        aria-label="Your message"
        placeholder="Ask a question. Enter sends, Shift+Enter makes a new line."
        defaultValue={readDraft(conversation)}
        onChange={(event) => keepDraft(conversation, event.target.value)}
        onKeyDown={(event) => {
          // Enter that ends the composition of a character is not a send.
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing || event.keyCode === 229) return
          event.preventDefault()
          send()
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
