/**
 * Which capitalised words name no town. "Ada lives in Portugal" and "Ada lives in Porto" are both true at once, so a
 * country never ends a town; and one who "moved to Linux" still lives where he lived.
 *
 * @since 0.1.0
 */

const states =
  `Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Hawaii Idaho Illinois Indiana Iowa
  Kansas Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi Missouri Montana Nebraska Nevada
  Ohio Oklahoma Oregon Pennsylvania Tennessee Texas Utah Vermont Virginia Wisconsin Wyoming Bavaria Tuscany Catalonia
  Andalusia Brittany Provence Scotland Wales England Britain America Europe Asia Africa Scandinavia Holland USA US UK
  Czechia Russia Korea`

// Towns that carry the name of a country, or share it.
const towns: ReadonlySet<string> = new Set(["singapore", "monaco", "luxembourg", "san marino", "gibraltar", "djibouti"])

const letters = Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")

let countries: ReadonlySet<string> | undefined

/** Filled at the first question: naming every region takes a millisecond. */
const allCountries = (): ReadonlySet<string> => {
  if (countries !== undefined) return countries
  const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" })
  const found = new Set(states.toLowerCase().split(/\s+/))
  for (const one of letters) {
    for (const other of letters) {
      const name = names.of(one + other)?.toLowerCase()
      if (name !== undefined && !towns.has(name)) found.add(name)
    }
  }
  countries = found
  return found
}

/**
 * Whether a lower-case name is that of a country, a continent, or a state within one.
 *
 * @since 0.1.0
 */
export const isCountry = (name: string): boolean => allCountries().has(name)

const things = new Set(
  `accounting android angular azure bash chrome debian design discord docker engineering excel figma finance firefox git
  go google haskell hr java jira kotlin kubernetes legal linux mac management marketing mastodon netflix node notion
  obsidian operations outlook perl postgres product python react redis research ruby rust safari sales scala signal slack
  spotify support svelte swift teams telegram trello ubuntu vim vue whatsapp windows zoom monday tuesday wednesday
  thursday friday saturday sunday january february march april may june july august september october november december`
    .split(/\s+/)
)

/**
 * Whether one may have moved to it without moving house: software, a department, a day; also whatever is spelt with
 * capitals inside a word.
 *
 * @since 0.1.0
 */
export const isNoPlace = (name: string): boolean =>
  /\p{Ll}\p{Lu}|\p{Lu}{2}/u.test(name) || name.toLowerCase().split(" ").some((word) => things.has(word))
