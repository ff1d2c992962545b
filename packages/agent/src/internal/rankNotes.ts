const stopWords = new Set(
  ("a an and are as at be been by can could did do does for from had has have he her his how i in is it its me my of " +
    "on or our she should so tell that the their them they this to us was we were what when where which who whom whose " +
    "why will with would you your about know remember recall please").split(" ")
)

/** @internal The words of a text that carry meaning, without their endings. */
export const contentWords = (text: string): ReadonlyArray<string> =>
  (text.toLowerCase().normalize("NFKC").match(/[\p{L}\p{N}]+(?:['’]\p{L}+)?/gu) ?? [])
    .map((word) => word.replace(/['’]s?$/u, "").replace(/['’]\p{L}+$/u, ""))
    .filter((word) => word !== "" && !stopWords.has(word))
    .map(stem)

/** Cuts the commonest English endings, so that "lives" finds "live". */
const stem = (word: string): string => {
  if (word.length > 5 && word.endsWith("ing")) return trimE(word.slice(0, -3))
  if (word.length > 4 && word.endsWith("ies")) return `${word.slice(0, -3)}y`
  if (word.length > 4 && word.endsWith("ed")) return trimE(word.slice(0, -2))
  if (word.length > 3 && word.endsWith("s") && !word.endsWith("ss")) return trimE(word.slice(0, -1))
  return trimE(word)
}

const trimE = (word: string) => word.length > 3 && word.endsWith("e") ? word.slice(0, -1) : word

/**
 * @internal
 * Items that share a word with the query, best first: each shared word counts
 * by its rarity (inverse document frequency), later items win ties.
 */
export const rankNotes = <A>(
  query: string,
  items: ReadonlyArray<A>,
  textOf: (item: A) => string
): ReadonlyArray<{ readonly item: A; readonly score: number }> => {
  const wanted = new Set(contentWords(query))
  const documents = items.map((item) => new Set(contentWords(textOf(item))))
  const weight = new Map(Array.from(wanted, (word) => {
    const frequency = documents.reduce((count, words) => count + (words.has(word) ? 1 : 0), 0)
    return [word, Math.log(1 + items.length / (frequency + 1))]
  }))
  return items
    .map((item, index) => {
      const score = Array.from(weight).reduce((sum, [word, w]) => sum + (documents[index]!.has(word) ? w : 0), 0)
      return { item, score, index }
    })
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score || b.index - a.index)
    .map(({ item, score }) => ({ item, score }))
}
