/** Unsent text, kept in this browser per person and conversation until the server has taken it. */
import { current } from "./store.ts"

const key = (conversation: string) => `sennit.draft.${current().person ?? ""}.${conversation}`

export const readDraft = (conversation: string): string => localStorage.getItem(key(conversation)) ?? ""

export const keepDraft = (conversation: string, text: string): void =>
  text === "" ? localStorage.removeItem(key(conversation)) : localStorage.setItem(key(conversation), text)

export const forgetDraft = (conversation: string): void => localStorage.removeItem(key(conversation))

export const forgetDrafts = (): void => {
  for (const name of Object.keys(localStorage)) if (name.startsWith(key(""))) localStorage.removeItem(name)
}
