import { useEffect, useRef } from "react"
import { signOut } from "./actions.ts"
import { changeSettings } from "./settings.ts"
import { type Settings, useState } from "./store.ts"

const keys: ReadonlyArray<readonly [keys: string, what: string]> = [
  ["Enter", "send"],
  ["Shift+Enter", "a new line"],
  ["Esc, Esc", "stop the answer"],
  ["Up in an empty message", "edit the last question"],
  ["Ctrl+K or /", "search conversations"],
  ["Ctrl+Shift+O", "new conversation"],
  ["Alt+Up, Alt+Down", "the turn before, the next turn"],
  ["Alt+A", "to what waits for you"],
  ["Ctrl+.", "open or close the inspector"],
  ["?", "this list"]
]

const themes: ReadonlyArray<readonly [Settings["theme"], string]> = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"]
]

const Choices = () => {
  const settings = useState((state) => state.settings)
  return (
    <>
      <label>
        Colours{" "}
        <select
          value={settings.theme}
          onChange={(event) => {
            const chosen = themes.find(([theme]) => theme === event.target.value)
            if (chosen !== undefined) changeSettings({ theme: chosen[0] })
          }}
        >
          {themes.map(([theme, words]) => <option key={theme} value={theme}>{words}</option>)}
        </select>
      </label>
      <label>
        <input
          type="checkbox"
          checked={settings.alwaysFollow}
          onChange={(event) => changeSettings({ alwaysFollow: event.target.checked })}
        />{" "}
        Follow a long answer to its end
      </label>
      <label>
        <input
          type="checkbox"
          checked={settings.letterKeys}
          onChange={(event) => changeSettings({ letterKeys: event.target.checked })}
        />{" "}
        Single keys: / and ?
      </label>
      <p className="muted">Drafts are kept in this browser, in clear, until they are sent.</p>
    </>
  )
}

const SignedIn = () => {
  const person = useState((state) => state.person)
  const signsIn = useState((state) => state.signsIn)
  if (!signsIn || person === undefined) return null
  return (
    <p>
      Signed in as {person}. <button type="button" onClick={signOut}>Sign out</button>
    </p>
  )
}

export const Help = ({ close }: { close: () => void }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal()
  }, [])
  return (
    <dialog ref={dialog} aria-label="Keys and settings" className="help" onClose={close}>
      <h2>Settings</h2>
      <Choices />
      <SignedIn />
      <h2>Keys</h2>
      <dl>
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={() => dialog.current?.close()}>Close</button>
    </dialog>
  )
}
