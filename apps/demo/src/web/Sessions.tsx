import { useEffect } from "react"
import type { KeyStatus, Receipt, StoredRecord } from "../Api.ts"
import { eraseEverything, openSessions, rotateKey } from "./insight.ts"
import { useState } from "./store.ts"

/** 8 bytes a line: that fits a phone. */
const hexLines = (head: string) =>
  (head.match(/.{1,16}/g) ?? []).map((line) => line.replaceAll(/(..)/g, "$1 ")).join("\n")

const Record = ({ record }: { record: StoredRecord }) => (
  <li className="stored">
    <p className="muted">
      {record.table} · {record.row} · {record.time} · {record.size} bytes, sealed by data key{" "}
      <code>{record.dataKey.slice(0, 8)}…</code>, which <code>{record.wrappedBy}</code> protects
    </p>
    <div className="beside">
      <figure>
        <figcaption>On the disk</figcaption>
        <pre className="cipher" tabIndex={0} aria-label="Sealed bytes">{hexLines(record.head)}</pre>
      </figure>
      <figure>
        <figcaption>With the key</figcaption>
        <pre className="clear" tabIndex={0} aria-label="What they say">{record.clear}</pre>
      </figure>
    </div>
  </li>
)

const Stored = () => {
  const stored = useState((state) => state.stored)
  if (stored === undefined) return <p className="muted">Open a conversation to see its bytes.</p>
  if (stored.length === 0) return <p className="muted">Nothing is stored of this conversation yet.</p>
  return <ul>{stored.map((record) => <Record key={record.row} record={record} />)}</ul>
}

const KeyLine = ({ keyOf }: { keyOf: KeyStatus["keys"][number] }) => (
  <li>
    <code>{keyOf.id}</code> {keyOf.isPrimary ? "in use" : "being replaced"} · {keyOf.dataKeys} data keys under it
    {keyOf.destroyed === 0 ? null : ` · ${keyOf.destroyed} destroyed`}
    {keyOf.isKnown ? null : " · not available here"}
  </li>
)

const Keys = () => {
  const keys = useState((state) => state.keys)
  const working = useState((state) => state.working)
  if (keys === undefined) return <p className="muted" aria-busy="true">Reading…</p>
  return (
    <>
      <p>{keys.source}</p>
      <ul className="keys">{keys.keys.map((one) => <KeyLine key={one.id} keyOf={one} />)}</ul>
      {keys.canRotate ?
        (
          <button type="button" aria-disabled={working !== undefined} onClick={rotateKey}>
            {working === "rotating" ? "Rotating…" : "Rotate now"}
          </button>
        ) :
        <p className="muted">A key from the environment is changed there.</p>}
    </>
  )
}

const save = (receipt: Receipt) => {
  const address = URL.createObjectURL(new Blob([JSON.stringify(receipt, undefined, 2)], { type: "application/json" }))
  const link = document.createElement("a")
  link.href = address
  link.download = `sennit-receipt-${receipt.digest.slice(0, 8)}.json`
  link.click()
  URL.revokeObjectURL(address)
}

const ReceiptView = ({ receipt }: { receipt: Receipt }) => (
  <div className="receipt" role="region" aria-label="Receipt">
    <p>
      Erased {receipt.conversations} conversations, {receipt.memories} memories, {receipt.files} files;{" "}
      {receipt.destroyedKey === null ? "there was no key" : "key destroyed"}.{" "}
      {receipt.memoryLogEmptied ? null : "Bytes of memories stay in the log of memory.db until its next checkpoint. "}
      Receipt <code>{receipt.digest.slice(0, 8)}…</code>
    </p>
    <p className="muted">Not reached: {receipt.notReached.join(" ")}</p>
    <button type="button" onClick={() => save(receipt)}>Save the receipt</button>
  </div>
)

const confirmText = "Erase all conversations, memories and files? Their key is destroyed. This cannot be undone."

const Yours = () => {
  const receipt = useState((state) => state.receipt)
  const working = useState((state) => state.working)
  return (
    <>
      <p className="row">
        <a href="/api/export" download>Export my data</a>
        <button
          type="button"
          className="stop"
          aria-disabled={working !== undefined}
          onClick={() => {
            if (working === undefined && globalThis.confirm(confirmText)) eraseEverything()
          }}
        >
          {working === "erasing" ? "Erasing…" : "Erase my data"}
        </button>
      </p>
      {receipt === undefined ? null : <ReceiptView receipt={receipt} />}
    </>
  )
}

export const Sessions = () => {
  const info = useState((state) => state.info)
  const open = useState((state) => state.open?.id)
  const running = useState((state) => state.open?.summary.running)
  // What lies on the disk is another thing when an answer has ended.
  useEffect(openSessions, [open, running])
  return (
    <>
      {info === undefined ? null : (
        <>
          <p>
            {info.encrypted.join(" and ")} are encrypted. Conversations are in {info.sessionsIn}, memories and key in
            {" "}
            <code>{info.dataFolder}</code> on this machine, attached files in <code>{info.filesIn}</code>.
          </p>
          <p>
            <strong>In clear:</strong> {info.inClear.join(" and ")}{" "}
            are stored unencrypted; whoever reads this disk can read them.
          </p>
        </>
      )}
      <h3>This conversation on the disk</h3>
      <Stored />
      <h3>Key</h3>
      <Keys />
      <h3>Your data</h3>
      <Yours />
    </>
  )
}
