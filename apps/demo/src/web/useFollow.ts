import { useLayoutEffect, useRef, useState } from "react"
import type { Block } from "../Block.ts"
import { useState as useStore } from "./store.ts"

/** How near the end counts as being there: a rounding error, not an intention. */
const AT_END_PX = 2
/** What is left above a question that was just asked. */
const ABOVE_PX = 8

interface Place {
  readonly block: string
  readonly offset: number
}

const placeKey = (conversation: string) => `sennit.place.${conversation}`

const readPlace = (conversation: string): Place | undefined => {
  const [block, offset] = (sessionStorage.getItem(placeKey(conversation)) ?? "").split(" ")
  return block === undefined || block === "" ? undefined : { block, offset: Number(offset) }
}

const blockIn = (box: HTMLElement, id: string) => box.querySelector<HTMLElement>(`[data-block="${CSS.escape(id)}"]`)

const isAbove = (block: HTMLElement, box: HTMLElement) =>
  block.getBoundingClientRect().top < box.getBoundingClientRect().top

/** The first block that can be seen. */
const placeIn = (box: HTMLElement): Place | undefined => {
  const { top } = box.getBoundingClientRect()
  for (const element of box.querySelectorAll<HTMLElement>("[data-block]")) {
    const { bottom, top: blockTop } = element.getBoundingClientRect()
    if (bottom > top) return { block: element.dataset["block"]!, offset: top - blockTop }
  }
  return undefined
}

const lastQuestion = (blocks: ReadonlyArray<Block>) => blocks.findLast(({ type }) => type === "question")?.id

/**
 * The thread follows the answer until the reader scrolls away, and again when the reader returns to the end; only input
 * of the reader changes that, growing content never does. A question that is asked goes to the top, and the answer grows
 * below it: a long one does not push the question out of sight.
 */
export const useFollow = (conversation: string | undefined, blocks: ReadonlyArray<Block>) => {
  const box = useRef<HTMLDivElement>(null)
  const before = useRef({ top: 0, height: 0 })
  const alwaysFollow = useStore((state) => state.settings.alwaysFollow)
  const [follow, setFollow] = useState(true)
  /** The question that stays in sight; undefined to follow to the very end. */
  const [kept, setKept] = useState<string | undefined>()
  const [seen, setSeen] = useState(0)
  const asked = useRef<string>(undefined)
  const opened = useRef(false)
  const question = lastQuestion(blocks)

  const leave = () => {
    if (!follow) return
    setSeen(blocks.length)
    setFollow(false)
  }
  const onScroll = () => {
    const element = box.current!
    const { clientHeight, scrollHeight, scrollTop } = element
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - AT_END_PX
    if (isAtEnd) {
      setFollow(true)
      // Whoever went past the question that was kept in sight wants the end.
      const held = kept === undefined ? null : blockIn(element, kept)
      if (held !== null && isAbove(held, element)) setKept(undefined)
    } else if (scrollTop < before.current.top && scrollHeight === before.current.height) leave()
    before.current = { top: scrollTop, height: scrollHeight }
    if (conversation === undefined) return
    const place = isAtEnd ? undefined : placeIn(element)
    if (place === undefined) sessionStorage.removeItem(placeKey(conversation))
    else sessionStorage.setItem(placeKey(conversation), `${place.block} ${place.offset}`)
  }

  useLayoutEffect(() => {
    const element = box.current
    if (element === null || blocks.length === 0) return
    if (!opened.current) {
      opened.current = true
      asked.current = question
      const place = conversation === undefined ? undefined : readPlace(conversation)
      const target = place === undefined ? null : blockIn(element, place.block)
      if (place !== undefined && target !== null) {
        element.scrollTop += target.getBoundingClientRect().top - element.getBoundingClientRect().top + place.offset
        setSeen(blocks.length)
        setFollow(false)
        return
      }
    } else if (question !== asked.current) {
      asked.current = question
      setKept(question)
      setFollow(true)
      return
    }
    if (!follow) return
    const end = element.scrollHeight - element.clientHeight
    const held = kept === undefined || alwaysFollow ? null : blockIn(element, kept)
    const top = held === null
      ? end
      : element.scrollTop + held.getBoundingClientRect().top - element.getBoundingClientRect().top - ABOVE_PX
    element.scrollTop = Math.min(end, top)
    before.current = { top: element.scrollTop, height: element.scrollHeight }
  }, [blocks, follow, kept, alwaysFollow, conversation, question])

  return {
    box,
    /** Whether there is more below than can be seen, and how much of it is new. */
    below: follow ? undefined : Math.max(0, blocks.length - seen),
    kept,
    leave,
    onScroll,
    toEnd: () => {
      setKept(undefined)
      setFollow(true)
      const element = box.current
      if (element !== null) element.scrollTop = element.scrollHeight
    }
  }
}
