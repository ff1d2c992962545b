import { memo, useLayoutEffect, useMemo, useRef } from "react"
import { copySelection } from "./clipboard.ts"
import { decorate } from "./decorate.ts"
import { GrowingMarkdown, type SafeHtml } from "./markdown.ts"

/** A part of an answer; one that is settled gets its buttons, and is never touched again. */
const PartView = memo(({ html, settled }: { html: SafeHtml; settled: boolean }) => {
  const element = useRef<HTMLDivElement>(null)
  const decorated = useRef<SafeHtml>(undefined)
  useLayoutEffect(() => {
    if (!settled || decorated.current === html) return
    decorated.current = html
    decorate(element.current!)
  }, [html, settled])
  return <div ref={element} dangerouslySetInnerHTML={{ __html: html }} />
})

/** Asks before a link is followed from an answer that read what strangers wrote. */
const onClick = (untrusted: boolean) => (event: React.MouseEvent<HTMLDivElement>) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null
  if (!untrusted || link === null) return
  const words =
    `You are leaving for ${link.href}\n\nThe answer was made from a page or file that others wrote. Go there?`
  if (!globalThis.confirm(words)) event.preventDefault()
}

export const Answer = ({ settled, text, untrusted }: { settled: boolean; text: string; untrusted: boolean }) => {
  const parser = useRef<GrowingMarkdown>(undefined)
  parser.current ??= new GrowingMarkdown()
  const parts = useMemo(() => parser.current!.update(text), [text])
  return (
    // The links inside are what is clicked; the box only listens.
    // oxlint-disable-next-line jsx_a11y/click-events-have-key-events, jsx_a11y/no-static-element-interactions
    <div
      className="answer"
      onClick={onClick(untrusted)}
      onCopy={(event) => copySelection(event, parts.map(({ source }) => source))}
    >
      {parts.map(({ html }, index) => (
        // The order of parts never changes, only the last one does.
        // oxlint-disable-next-line react/no-array-index-key
        <PartView key={index} html={html} settled={settled || index < parts.length - 1} />
      ))}
    </div>
  )
}
