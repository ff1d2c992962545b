import { useCallback, useEffect, useRef, useState as useLocal } from "react"
import { attach, chooseModel, NEW, openPanel } from "./actions.ts"
import { Composer } from "./Composer.tsx"
import { Conversations } from "./Conversations.tsx"
import { focusMessage } from "./focus.ts"
import { Help } from "./Help.tsx"
import { Inspector } from "./Inspector.tsx"
import { SignIn } from "./SignIn.tsx"
import { useState } from "./store.ts"
import { Thread } from "./Thread.tsx"
import { useKeys } from "./useKeys.ts"

/** The offline planner is not a language model, and the page never lets that be forgotten. */
const Planner = () => (
  <details className="banner">
    <summary>Offline planner, not a language model</summary>
    <p>
      It follows fixed rules: reads your files, calculates, fetches pages, remembers. It cannot chat freely. Set{" "}
      <code>OPENAI_BASE_URL</code> to use a model.
    </p>
  </details>
)

const Model = () => {
  const models = useState((state) => state.info?.models)
  const chosen = useState((state) => state.model)
  if (models === undefined) return null
  const id = chosen ?? models[0].id
  return (
    <>
      {models.length > 1 ?
        (
          <select
            aria-label="Who answers"
            value={id}
            onChange={(event) => chooseModel(event.target.value === "planner" ? "planner" : "model")}
          >
            {models.map((model) => <option key={model.id} value={model.id}>{model.name}</option>)}
          </select>
        ) :
        null}
      {id === "planner" ? <Planner /> : null}
    </>
  )
}

const Connection = () => {
  const connection = useState((state) => state.connection)
  const notice = useState((state) => state.notice)
  const texts = {
    connecting: "Connecting…",
    live: "Live",
    lost: "No connection to the server. Your text is kept; runs continue there."
  }
  return (
    <p className="foot">
      <span className={`connection ${connection}`}>{texts[connection]}</span>
      {notice === undefined ? null : <span className="muted">{notice}</span>}
    </p>
  )
}

/** Files may be dropped anywhere on the page. */
const useDrop = () => {
  const [over, setOver] = useLocal(false)
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true
    const onOver = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      setOver(true)
    }
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false)
    }
    const onDrop = (event: DragEvent) => {
      if (!hasFiles(event) || event.dataTransfer === null) return
      event.preventDefault()
      setOver(false)
      attach(Array.from(event.dataTransfer.files))
    }
    globalThis.addEventListener("dragover", onOver)
    globalThis.addEventListener("dragleave", onLeave)
    globalThis.addEventListener("drop", onDrop)
    return () => {
      globalThis.removeEventListener("dragover", onOver)
      globalThis.removeEventListener("dragleave", onLeave)
      globalThis.removeEventListener("drop", onDrop)
    }
  }, [])
  return over
}

const Header = ({ openHelp, openList }: { openHelp: () => void; openList: () => void }) => {
  const title = useState((state) => state.open?.summary.title ?? "New conversation")
  const panel = useState((state) => state.panel)
  useEffect(() => {
    document.title = `${title} · Sennit`
  }, [title])
  return (
    <header>
      <button type="button" className="narrow" aria-label="Conversations" onClick={openList}>☰</button>
      <h1>{title}</h1>
      <Model />
      <button
        type="button"
        id="inspect"
        aria-expanded={panel !== undefined}
        onClick={() => openPanel(panel === undefined ? "run" : undefined)}
      >
        Inspect
      </button>
      <button type="button" onClick={openHelp}>Settings</button>
    </header>
  )
}

export const App = () => {
  const drawer = useRef<HTMLDialogElement>(null)
  const sidebar = useRef<HTMLElement>(null)
  const [helping, setHelping] = useLocal(false)
  const problem = useState((state) => state.problem)
  const status = useState((state) => state.status)
  const route = useState((state) => state.route)
  const visit = useState((state) => state.visit)
  const signedOut = useState((state) => state.signedOut)
  const over = useDrop()
  const help = useCallback(() => setHelping(true), [])
  const search = useCallback(() => {
    const seen = sidebar.current?.querySelector("input")
    if (sidebar.current?.checkVisibility() === true) return seen?.focus()
    drawer.current?.showModal()
    drawer.current?.querySelector("input")?.focus()
  }, [])
  useKeys({ help, search })
  return (
    <>
      <a
        className="skip"
        href="#message"
        onClick={(event) => {
          event.preventDefault()
          focusMessage()
        }}
      >
        Skip to the message field
      </a>
      <nav ref={sidebar} className="sidebar" aria-label="Conversations">
        <Conversations />
      </nav>
      <dialog ref={drawer} aria-label="Conversations" className="drawer">
        <button type="button" onClick={() => drawer.current?.close()}>Close</button>
        <Conversations />
      </dialog>
      <main>
        <Header openHelp={help} openList={() => drawer.current?.showModal()} />
        <Thread key={`thread-${visit}`} />
        {over ? <p className="drop">Drop the files here to attach them.</p> : null}
        {problem === undefined ? null : <p role="alert" className="problem">{problem}</p>}
        <Composer key={`composer-${visit}`} conversation={route ?? NEW} />
        <Connection />
        <p role="status" className="visually-hidden">{status}</p>
      </main>
      <Inspector />
      {signedOut ? <SignIn /> : null}
      {helping ? <Help close={() => setHelping(false)} /> : null}
    </>
  )
}
