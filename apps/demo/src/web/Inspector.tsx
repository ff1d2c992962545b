import * as DateTime from "effect/DateTime"
import { forgetMemory } from "./actions.ts"
import { useState } from "./store.ts"

const Storage = () => {
  const info = useState((state) => state.info)
  if (info === undefined) return null
  return (
    <section>
      <h2>On this disk</h2>
      <p>
        Everything stays in <code>{info.dataFolder}</code> on this machine.
      </p>
      <p>Conversations are encrypted. {info.keySource}</p>
      <p>
        <strong>In clear:</strong> {info.inClear.join(" and ")}{" "}
        are stored unencrypted; whoever reads this disk can read them.
      </p>
    </section>
  )
}

const Memory = () => {
  const memories = useState((state) => state.memories)
  return (
    <section>
      <h2>What it remembers</h2>
      {memories === undefined || memories.length === 0 ?
        <p className="muted">Nothing remembered. Say: “Remember that …”.</p> :
        (
          <ul className="memories">
            {memories.map(({ id, savedAt, text }) => (
              <li key={id}>
                <span>{text}</span>
                <span className="muted">
                  {DateTime.formatLocal(DateTime.unsafeMake(savedAt), {
                    locale: "en",
                    dateStyle: "medium",
                    timeStyle: "short"
                  })}
                </span>
                <button type="button" className="quiet" aria-label={`Forget: ${text}`} onClick={() => forgetMemory(id)}>
                  Forget
                </button>
              </li>
            ))}
          </ul>
        )}
    </section>
  )
}

export const Inspector = () => (
  <>
    <Memory />
    <Storage />
  </>
)
