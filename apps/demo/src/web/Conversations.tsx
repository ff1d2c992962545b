import { go, listMore, removeConversation } from "./actions.ts"
import { besides } from "./focus.ts"
import { search } from "./insight.ts"
import { useState } from "./store.ts"

/** A link of the page's own addresses: a real one, so it can be copied and opened in another tab. */
const Link = ({ children, current, to }: { to: string; children: React.ReactNode; current?: boolean }) => (
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

const List = () => {
  const found = useState((state) => state.found)
  const all = useState((state) => state.conversations)
  const route = useState((state) => state.route)
  const hasMore = useState((state) => state.hasMore)
  const conversations = found ?? all
  if (conversations === undefined) return <p className="muted" aria-busy="true">Reading…</p>
  if (conversations.length === 0) {
    return <p className="muted">{found === undefined ? "No conversations yet." : "Nothing found."}</p>
  }
  return (
    <>
      <ul>
        {conversations.map(({ hit, id, running, title, waiting }) => (
          <li key={id}>
            <Link to={`/c/${id}`} current={route === id}>
              {title}
              {running ? <span className="badge">● running</span> : null}
              {waiting ? <span className="badge">? waiting for you</span> : null}
              {hit === undefined ? null : <span className="hit">{hit}</span>}
            </Link>
            <button
              type="button"
              className="quiet"
              aria-label={`Delete ${title}`}
              onClick={({ currentTarget }) => {
                const list = currentTarget.closest("nav, dialog")
                const then = besides(currentTarget.closest("li"), "a", () => list?.querySelector("a")?.focus())
                if (globalThis.confirm(`Delete “${title}” and its files? This cannot be undone.`)) {
                  removeConversation(id, then)
                }
              }}
            >
              Delete
            </button>
          </li>
        ))}
      </ul>
      {hasMore && found === undefined ?
        (
          <button
            type="button"
            onClick={({ currentTarget }) => {
              currentTarget.parentElement?.querySelector<HTMLElement>("li:last-child a")?.focus()
              listMore()
            }}
          >
            Load more
          </button>
        ) :
        null}
    </>
  )
}

export const Conversations = () => {
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
      <List />
    </>
  )
}
