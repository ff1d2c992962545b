import { useEffect } from "react"
import { go, openPanel } from "./actions.ts"
import { current } from "./store.ts"

const isWriting = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))

/** To the article before or after the one that has the focus, or the last one. */
const moveTurn = (by: -1 | 1) => {
  const articles = [...document.querySelectorAll<HTMLElement>("#thread article")]
  const here = articles.findIndex((article) => article.contains(document.activeElement))
  const next = articles[here < 0 ? articles.length - 1 : here + by]
  next?.focus()
  next?.scrollIntoView({ block: "nearest" })
}

const withControl = (event: KeyboardEvent, search: () => void): boolean => {
  if (event.key === ".") openPanel(current().panel === undefined ? "run" : undefined)
  else if (event.key.toLowerCase() === "k") search()
  else if (event.shiftKey && event.key.toLowerCase() === "o") go("/")
  else return false
  return true
}

/** The keys of the page; those of the message field are its own. */
export const useKeys = ({ help, search }: { readonly help: () => void; readonly search: () => void }): void =>
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.isComposing) return
      const done = () => event.preventDefault()
      if (event.ctrlKey || event.metaKey) {
        if (withControl(event, search)) done()
        return
      }
      if (event.altKey) {
        if (event.key.toLowerCase() === "a") {
          document.querySelector<HTMLElement>(".decide button")?.focus()
          return done()
        }
        if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return
        moveTurn(event.key === "ArrowUp" ? -1 : 1)
        return done()
      }
      if (isWriting(event.target) || !current().settings.letterKeys) return
      if (event.key === "/") search()
      else if (event.key === "?") help()
      else return
      done()
    }
    globalThis.addEventListener("keydown", onKey)
    return () => globalThis.removeEventListener("keydown", onKey)
  }, [help, search])
