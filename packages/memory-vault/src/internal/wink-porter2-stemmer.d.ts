declare module "wink-porter2-stemmer" {
  /** The English Snowball ("Porter2") stem of a lower-case word. */
  const stem: (word: string) => string
  export default stem
}
