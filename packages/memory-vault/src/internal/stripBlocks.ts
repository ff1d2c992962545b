/**
 * Finds prompt blocks inside a text: what a vault told a model must not come back as something the user said.
 *
 * @since 0.1.0
 */

const time = "\\d{4}-\\d\\d-\\d\\d(?:T[\\d:.]+Z)?"
const type = "(?:episodic|semantic|working|procedural)"
const quoted = "\"(?:[^\"\\\\\\n]|\\\\.)*\""

// Each matches exactly what PromptBlock renders with at least one item; a single item counts as well.
const blocks: ReadonlyArray<RegExp> = [
  new RegExp(
    `(?:<memory>\\s*)?(?:<item(?: type="${type}")? from="${time}(?: [^"<>\\n]*)?">[^<>]*</item>\\s*)+(?:</memory>)?`,
    "g"
  ),
  new RegExp(
    `(?:^# Memory\\n)?(?:^- \\[${type}\\] ${time}(?: [^\\n]*)?\\n(?:^ {2}> [^\\n]*(?:\\n|$(?![\\s\\S])))+)+`,
    "gm"
  ),
  new RegExp(
    `(?:\\{"memory":\\[)?(?:\\{"type":"${type}","time":"${time}"(?:,"speaker":${quoted})?,"text":${quoted}\\},?)+(?:\\]\\})?`,
    "g"
  )
]

/**
 * The text without prompt blocks, and how many there were.
 *
 * @since 0.1.0
 */
export const stripBlocks = (text: string): { readonly text: string; readonly blocks: number } => {
  let found = 0
  const rest = blocks.reduce(
    (left, pattern) =>
      left.replace(pattern, () => {
        found++
        return "\n"
      }),
    text.replace(/\r\n?/g, "\n")
  )
  return found === 0 ? { text, blocks: 0 } : { text: rest, blocks: found }
}
