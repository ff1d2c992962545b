/** What a person chose for this browser. */
import { current, type Settings, update } from "./store.ts"

const KEY = "sennit.settings"

const isTheme = (value: unknown): value is Settings["theme"] =>
  value === "system" || value === "light" || value === "dark"

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What is not there, or of another version, has its default. */
const read = (): Settings => {
  const found = parse(localStorage.getItem(KEY) ?? "")
  const kept: Partial<Record<keyof Settings, unknown>> = typeof found === "object" && found !== null ? found : {}
  return {
    theme: isTheme(kept.theme) ? kept.theme : "system",
    letterKeys: kept.letterKeys !== false,
    alwaysFollow: kept.alwaysFollow === true
  }
}

const apply = ({ theme }: Settings) => {
  document.documentElement.dataset["theme"] = theme
}

export const changeSettings = (change: Partial<Settings>): void => {
  const settings = { ...current().settings, ...change }
  localStorage.setItem(KEY, JSON.stringify(settings))
  apply(settings)
  update({ settings })
}

export const readSettings = (): void => {
  const settings = read()
  apply(settings)
  update({ settings })
}
