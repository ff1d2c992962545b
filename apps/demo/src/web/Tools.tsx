import { useEffect } from "react"
import type { ToolList } from "../Api.ts"
import { openTools } from "./insight.ts"
import { useState } from "./store.ts"

const ServerLine = ({ server }: { server: ToolList["servers"][number] }) => (
  <li>
    <code>{server.name}</code> {server.connected ? "✓ connected" : "✗ not connected"}
    {server.connected ? null : <span className="muted">· {server.detail}</span>}
    {server.withheld.map(({ name, why }) => <p key={name} className="muted">{name} is withheld: {why}</p>)}
  </li>
)

/** What the assistant can use, and how the servers are that give some of it. */
export const Tools = () => {
  const tools = useState((state) => state.tools)
  useEffect(openTools, [])
  if (tools === undefined) return <p className="muted" aria-busy="true">Reading…</p>
  return (
    <>
      <dl className="toollist">
        {tools.tools.map(({ asks, description, name }) => (
          <div key={name}>
            <dt>
              <code>{name}</code> {asks ? <span className="badge">asks you first</span> : null}
            </dt>
            <dd>{description}</dd>
          </div>
        ))}
      </dl>
      <h3>MCP servers</h3>
      {tools.servers.length === 0
        ? <p className="muted">None. SENNIT_MCP_SERVERS names some; the README says how.</p>
        : <ul className="keys">{tools.servers.map((server) => <ServerLine key={server.name} server={server} />)}</ul>}
    </>
  )
}
