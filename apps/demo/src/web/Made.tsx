import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { MadeFile } from "../Block.ts"
import { Attachment, fileAddress, Table } from "./Attachment.tsx"
import type { ToolBlock } from "./ToolCard.tsx"
import { shownName } from "./words.ts"

/** What a chart was drawn of: its title and its rows. */
const Drawing = Schema.parseJson(Schema.Struct({
  title: Schema.String,
  columns: Schema.Array(Schema.String),
  rows: Schema.Array(Schema.Array(Schema.NullOr(Schema.Union(Schema.String, Schema.Number))))
}))

const decode = Schema.decodeOption(Drawing)

/** A picture that a tool made; the numbers of a chart are there as a table too. */
export const Made = ({ block, conversation, file }: { block: ToolBlock; conversation: string; file: MadeFile }) => {
  if (!file.type.startsWith("image/")) return <Attachment conversation={conversation} file={file} />
  const drawing = block.name === "draw_chart" ? Option.getOrUndefined(decode(block.arguments)) : undefined
  const title = drawing?.title ?? shownName(file.name)
  const address = fileAddress(conversation, file.name)
  return (
    <figure className="made" data-block={`${block.id}-${file.name}`}>
      <img src={address} alt={title} />
      <figcaption>
        {title} <a href={address} download={file.name}>Download {shownName(file.name)}</a>
      </figcaption>
      {drawing === undefined ? null : (
        <details>
          <summary>Show as table</summary>
          <Table rows={[drawing.columns, ...drawing.rows.map((row) => row.map((cell) => String(cell ?? "")))]} />
        </details>
      )}
    </figure>
  )
}
