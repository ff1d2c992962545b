import { useEffect, useRef } from "react"
import { go, NEW, removeConversation } from "./actions.ts"
import { Composer } from "./Composer.tsx"
import { readPanels, search } from "./insight.ts"
import { Inspector } from "./Inspector.tsx"
import { useState } from "./store.ts"
import { Thread } from "./Thread.tsx"

/** A link of the page's own addresses: a real one, so it can be copied and opened in another tab. */
const Link = ({ to, children, current }: { to: string; children: React.ReactNode; current?: boolean }) => (
  <a
    href={to}
    aria-current={current ? "page" : undefined}
    onClick={(event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
      event.preventDefault()
      go(to)
      event.currentTarget.closest("dialog")?.close()
    }}
  >
    {children}
  </a>
)

const Conversations = () => {
  const found = useState((state) => state.found)
  const all = useState((state) => state.conversations)
  const conversations = found ?? all
  const route = useState((state) => state.route)
  return (
    <>
      <Link to="/" current={route === undefined}>New conversation</Link>
      <input
        type="search"
        aria-label="Search conversations"
        placeholder="Search"
        onChange={(event) => search(event.target.value)}
      />
      {conversations === undefined ?
        <p className="muted" aria-busy="true">Reading…</p> :
        conversations.length === 0 ?
        <p className="muted">{found === undefined ? "No conversations yet." : "Nothing found."}</p> :
        (
          <ul>
            {conversations.map(({ hit, id, running, title }) => (
              <li key={id}>
                <Link to={`/c/${id}`} current={route === id}>
                  {title}
                  {running ? <span className="badge">running</span> : null}
                  {hit === undefined ? null : <span className="hit">{hit}</span>}
                </Link>
                <button
                  type="button"
                  className="quiet"
                  aria-label={`Delete ${title}`}
                  onClick={() => {
                    if (globalThis.confirm(`Delete “${title}” and its files? This cannot be undone.`)) {
                      removeConversation(id)
                    }
                  }}
                >
                  Delete
                </button>
              </li>
            ))}
          </ul>
        )}
    </>
  )
}

/** The offline planner is not a language model, and the page never lets that be forgotten. */
const Model = () => {
  const info = useState((state) => state.info)
  if (info === undefined) return null
  return info.planner ?
    (
      <details className="banner">
        <summary>Offline planner, not a language model</summary>
        <p>
          It follows fixed rules: reads your files, calculates, fetches pages, remembers. It cannot chat freely. Set
          {" "}
          <code>OPENAI_BASE_URL</code> to use a model.
        </p>
      </details>
    ) :
    <span className="muted">{info.model}</span>
}

const Connection = () => {
  const connection = useState((state) => state.connection)
  const texts = { connecting: "Connecting…", live: "Live", lost: "No connection to the server. Your text is kept." }
  return <span className={`connection ${connection}`}>{texts[connection]}</span>
}

export const App = () => {
  const drawer = useRef<HTMLDialogElement>(null)
  const inspector = useRef<HTMLDialogElement>(null)
  const title = useState((state) => state.open?.summary.title ?? "New conversation")
  const problem = useState((state) => state.problem)
  const status = useState((state) => state.status)
  const route = useState((state) => state.route)
  const visit = useState((state) => state.visit)
  useEffect(() => {
    document.title = `${title} · Sennit`
  }, [title])
  return (
    <>
      <a className="skip" href="#message">Skip to the message field</a>
      <nav className="sidebar" aria-label="Conversations">
        <Conversations />
      </nav>
      <dialog ref={drawer} aria-label="Conversations" className="drawer">
        <button type="button" onClick={() => drawer.current?.close()}>Close</button>
        <Conversations />
      </dialog>
      <dialog ref={inspector} aria-label="Memory and storage" className="sheet">
        <button type="button" onClick={() => inspector.current?.close()}>Close</button>
        <Inspector />
      </dialog>
      <main>
        <header>
          <button type="button" className="narrow" onClick={() => drawer.current?.showModal()}>Conversations</button>
          <h1>{title}</h1>
          <Model />
          <button
            type="button"
            onClick={() => {
              readPanels()
              inspector.current?.showModal()
            }}
          >
            Memory and storage
          </button>
        </header>
        <Thread key={`thread-${visit}`} />
        {problem === undefined ? null : <p role="alert" className="problem">{problem}</p>}
        <Composer key={`composer-${visit}`} conversation={route ?? NEW} />
        <footer>
          <Connection />
        </footer>
        <p role="status" className="visually-hidden">{status}</p>
      </main>
    </>
  )
}
