import { useState as useLocal } from "react"
import type { Preview } from "../Api.ts"
import type { FileSummary } from "../Block.ts"
import { readPreview } from "./actions.ts"
import { shownName, sizeOf } from "./words.ts"

export const fileAddress = (conversation: string, name: string) =>
  `/api/conversations/${encodeURIComponent(conversation)}/files/${encodeURIComponent(name)}`

export const Table = ({ rows }: { rows: ReadonlyArray<ReadonlyArray<string>> }) => {
  const [head = [], ...body] = rows
  return (
    <div className="tablebox" tabIndex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>{head.map((cell, index) => <th key={`${index}-${cell}`} scope="col">{cell}</th>)}</tr>
        </thead>
        <tbody>
          {body.map((row, line) => (
            // Rows of a file have no name but their line.
            // oxlint-disable-next-line react/no-array-index-key
            <tr key={line}>{row.map((cell, index) => <td key={`${index}-${cell}`}>{cell}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const Shown = ({ address, name, preview }: { address: string; name: string; preview: Preview }) => {
  switch (preview.type) {
    case "table":
      return (
        <>
          <Table rows={preview.rows} />
          {preview.isWhole ? null : <p className="muted">The first {preview.rows.length - 1} rows.</p>}
        </>
      )
    case "text":
      return (
        <>
          <pre tabIndex={0} aria-label={`Beginning of ${shownName(name)}`}>{preview.text}</pre>
          {preview.isWhole ? null : <p className="muted">The beginning.</p>}
        </>
      )
    case "image":
      return <img src={address} alt={shownName(name)} />
    case "none":
      return <p className="muted">{preview.why}</p>
  }
}

/** A file of a conversation: its beginning when it is opened, and the file itself, byte for byte. */
export const Attachment = ({ conversation, file }: { conversation: string; file: FileSummary }) => {
  const [preview, setPreview] = useLocal<Preview>()
  const address = fileAddress(conversation, file.name)
  return (
    <details
      className="file"
      onToggle={(event) => {
        if (event.currentTarget.open && preview === undefined) readPreview(conversation, file.name, setPreview)
      }}
    >
      <summary>
        <bdi>{shownName(file.name)}</bdi> <span className="muted">{sizeOf(file.size)}</span>
      </summary>
      {preview === undefined
        ? <p className="muted" aria-busy="true">Reading…</p>
        : <Shown address={address} name={file.name} preview={preview} />}
      <a href={address} download={file.name}>Download, byte for byte</a>
    </details>
  )
}
