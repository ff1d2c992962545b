import { Attachment } from "./Attachment.tsx"
import { useState } from "./store.ts"

export const Files = () => {
  const open = useState((state) => state.open)
  if (open === undefined || open.files.length === 0) {
    return (
      <p className="muted">No files in this conversation. Drop some on the page, or paste them into the message.</p>
    )
  }
  return (
    <ul className="files">
      {open.files.map((file) => (
        <li key={file.name}>
          <Attachment conversation={open.id} file={file} />
        </li>
      ))}
    </ul>
  )
}
