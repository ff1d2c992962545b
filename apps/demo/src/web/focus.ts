/** Where the keys go when what they were at goes away. */

const focusOn = (selector: string, within: ParentNode = document): boolean => {
  const found = within.querySelector<HTMLElement>(selector)
  found?.focus()
  return found !== null
}

export const focusMessage = (): void => {
  focusOn("#message")
}

/** To the button that opens the inspector. */
export const focusInspect = (): void => {
  focusOn("#inspect")
}

export const isInInspector = (): boolean =>
  document.querySelector("#inspector")?.contains(document.activeElement) === true

/** To what matches in the item of a list beside this one; gives how, for when it is gone. The last one leaves the keys to `otherwise`. */
export const besides = (item: Element | null, selector: string, otherwise: () => void): () => void => {
  const neighbour = item?.nextElementSibling ?? item?.previousElementSibling ?? null
  return () => {
    if (neighbour === null || !neighbour.isConnected || !focusOn(selector, neighbour)) otherwise()
  }
}
