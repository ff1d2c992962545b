import { useEffect, useRef, useSyncExternalStore } from "react"
import { openPanel } from "./actions.ts"
import { Files } from "./Files.tsx"
import { Memory } from "./Memory.tsx"
import { Run } from "./Run.tsx"
import { Sessions } from "./Sessions.tsx"
import { type Panel, panels, useState } from "./store.ts"
import { Tools } from "./Tools.tsx"

const titles = { run: "Run", memory: "Memory", sessions: "Sessions", files: "Files", tools: "Tools" }
const contents = { run: Run, memory: Memory, sessions: Sessions, files: Files, tools: Tools }

/** From this width on the inspector has a column of its own. */
const wide = globalThis.matchMedia("(min-width: 1200px)")

const useWide = () =>
  useSyncExternalStore((changed) => {
    wide.addEventListener("change", changed)
    return () => wide.removeEventListener("change", changed)
  }, () => wide.matches)

const Content = ({ panel }: { panel: Panel }) => {
  const Shown = contents[panel]
  return (
    <>
      <div className="tabs">
        <ul aria-label="Parts of the inspector">
          {panels.map((one) => (
            <li key={one}>
              <a href={`#${one}`} aria-current={one === panel ? "true" : undefined}>{titles[one]}</a>
            </li>
          ))}
        </ul>
        <button type="button" className="quiet" aria-label="Close the inspector" onClick={() => openPanel(undefined)}>
          ✕
        </button>
      </div>
      <h2>{titles[panel]}</h2>
      <Shown />
    </>
  )
}

const Sheet = ({ panel }: { panel: Panel }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal()
  }, [])
  return (
    <dialog
      ref={dialog}
      id="inspector"
      aria-label="Inspector"
      className="sheet"
      onClose={() => openPanel(undefined)}
    >
      <Content panel={panel} />
    </dialog>
  )
}

export const Inspector = () => {
  const panel = useState((state) => state.panel)
  const isWide = useWide()
  if (panel === undefined) return null
  return isWide
    ? (
      <aside id="inspector" aria-label="Inspector" className="inspector">
        <Content panel={panel} />
      </aside>
    )
    : <Sheet panel={panel} />
}
