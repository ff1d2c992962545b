/**
 * The text that carries memories into a prompt. Whatever a memory contains, the block keeps its structure: `parse`
 * gives back exactly the items that were rendered. Its whole length, wrapper and labels included, is what a token
 * budget bounds.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Summary } from "./Compressor.ts"
import { escapeJson, escapeLine, escapeText, unescapeText } from "./internal/escapeText.ts"
import type { Memory, Procedure } from "./Memory.ts"
import { MemoryType } from "./Memory.ts"
import { BudgetExceeded, MalformedBlock } from "./MemoryVaultError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type PromptFormat = "xml" | "markdown" | "json"

/**
 * One memory as the model sees it: what, of which type, when, and by whom.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromptItem {
  readonly type: MemoryType
  /** ISO 8601, UTC; the day alone as this package makes it, for a prompt pays for every figure. */
  readonly time: string
  readonly speaker?: string
  readonly text: string
}

const toDay = DateTime.formatIsoDateUtc

/**
 * @since 0.1.0
 * @category constructors
 */
export const fromMemory = (memory: Memory): PromptItem => ({
  type: memory.type,
  time: toDay(memory.eventTime ?? memory.createdAt),
  ...(memory.speaker === undefined ? {} : { speaker: memory.speaker }),
  text: memory.text
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const fromProcedure = (procedure: Procedure): PromptItem => ({
  type: "procedural",
  time: toDay(procedure.updatedAt),
  text: procedure.text
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const fromSummary = (summary: Summary): PromptItem => ({
  type: "semantic",
  time: toDay(summary.eventTime),
  text: summary.text
})

interface Grammar {
  readonly open: string
  readonly item: (item: PromptItem) => string
  readonly separator: string
  readonly close: string
  readonly parse: (block: string) => Option.Option<ReadonlyArray<PromptItem>>
}

const isType = Schema.is(MemoryType)

/** The type of most memories; XML items of it go without one, again for the tokens. */
const usual: MemoryType = "episodic"

/** Reads items with a sticky pattern until the closing text; anything else in between is no block of ours. */
const parseItems = (
  block: string,
  grammar: { readonly open: string; readonly close: string; readonly item: RegExp },
  read: (groups: { readonly [name: string]: string | undefined }) => string
): Option.Option<ReadonlyArray<PromptItem>> => {
  if (!block.startsWith(grammar.open) || !block.endsWith(grammar.close)) return Option.none()
  const body = block.slice(grammar.open.length, block.length - grammar.close.length)
  const items: Array<PromptItem> = []
  let end = 0
  for (const match of body.matchAll(grammar.item)) {
    const { speaker, time, type = usual } = match.groups ?? {}
    if (match.index !== end || !isType(type) || time === undefined) return Option.none()
    items.push({
      type,
      time,
      ...(speaker === undefined ? {} : { speaker: unescapeText(speaker) }),
      text: unescapeText(read(match.groups ?? {}))
    })
    end = match.index + match[0].length
  }
  return end === body.length ? Option.some(items) : Option.none()
}

const xml: Grammar = {
  open: "<memory>\n",
  item: ({ speaker, text, time, type }) =>
    `<item${type === usual ? "" : ` type="${type}"`} from="${time}${
      speaker === undefined ? "" : ` ${escapeLine(speaker)}`
    }">${escapeText(text)}</item>\n`,
  separator: "",
  close: "</memory>",
  parse: (block) =>
    parseItems(
      block,
      {
        open: "<memory>\n",
        close: "</memory>",
        item:
          /<item(?: type="(?<type>\w+)")? from="(?<time>[^"<> \n]+)(?: (?<speaker>[^"<>\n]*))?">(?<text>[^<>]*)<\/item>\n/gy
      },
      ({ text }) => text ?? ""
    )
}

const markdown: Grammar = {
  open: "# Memory\n",
  item: ({ speaker, text, time, type }) =>
    `- [${type}] ${time}${speaker === undefined ? "" : ` ${escapeLine(speaker)}`}\n  > ${
      escapeText(text).replaceAll("\n", "\n  > ")
    }\n`,
  separator: "",
  close: "",
  parse: (block) =>
    parseItems(
      block,
      {
        open: "# Memory\n",
        close: "",
        item: /- \[(?<type>\w+)\] (?<time>[^ \n]+)(?: (?<speaker>[^\n]*))?\n(?<quote>(?: {2}> [^\n]*\n)+)/gy
      },
      ({ quote = "" }) => quote.slice("  > ".length, -1).replaceAll("\n  > ", "\n")
    )
}

const JsonBlock = Schema.parseJson(
  Schema.Struct({
    memory: Schema.Array(
      Schema.Struct({
        type: MemoryType,
        time: Schema.String,
        speaker: Schema.optionalWith(Schema.String, { exact: true }),
        text: Schema.String
      })
    )
  })
)
const decodeJson = Schema.decodeUnknownOption(JsonBlock, { onExcessProperty: "error" })

const json: Grammar = {
  open: `{"memory":[`,
  item: (item) => escapeJson(item),
  separator: ",",
  close: "]}",
  parse: (block) => Option.map(decodeJson(block), ({ memory }) => memory)
}

const grammars: Readonly<Record<PromptFormat, Grammar>> = { xml, markdown, json }

const assemble = ({ close, open, separator }: Grammar, items: ReadonlyArray<string>): string =>
  open + items.join(separator) + close

/**
 * The block that holds these items.
 *
 * @example
 * ```ts
 * import { PromptBlock } from "@sennit/memory-vault"
 *
 * const time = "2026-01-02T03:04:05Z"
 * console.log(PromptBlock.render([{ type: "semantic", time, text: "1 < 2" }], "xml").split("\n")[1])
 * // => <item type="semantic" from="2026-01-02T03:04:05Z">1 &lt; 2</item>
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (items: ReadonlyArray<PromptItem>, format: PromptFormat): string =>
  assemble(grammars[format], items.map(grammars[format].item))

/**
 * The items of a block; fails on any text that is not exactly a rendered block.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (
  block: string,
  format: PromptFormat
): Either.Either<ReadonlyArray<PromptItem>, MalformedBlock> =>
  Either.fromOption(grammars[format].parse(block), () => new MalformedBlock({ format }))

/**
 * A block within a budget: its text, its exact token count, and how many of the items, from the first, it holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface FittedBlock {
  readonly block: string
  readonly tokens: number
  readonly items: number
}

/**
 * The block of the longest leading part of `items` that fits `tokenBudget`, measured by counting whole blocks.
 *
 * The search halves: two budgets walk the same way until a block fits only the larger one, which then holds more. So
 * a larger budget never loses an item, whatever the counter answers.
 *
 * @since 0.1.0
 * @category rendering
 */
export const fit = (
  items: ReadonlyArray<PromptItem>,
  options: {
    readonly format: PromptFormat
    readonly tokenBudget: number
    readonly count: (text: string) => number
  }
): Either.Either<FittedBlock, BudgetExceeded> => {
  const grammar = grammars[options.format]
  const rendered = items.map(grammar.item)
  const measure = (length: number): FittedBlock => {
    const block = assemble(grammar, rendered.slice(0, length))
    return { block, tokens: options.count(block), items: length }
  }
  const fits = ({ tokens }: FittedBlock) => tokens <= options.tokenBudget
  let best = measure(0)
  if (!fits(best)) {
    return Either.left(new BudgetExceeded({ provided: options.tokenBudget, minimumRequired: best.tokens }))
  }
  const whole = measure(rendered.length)
  if (fits(whole)) return Either.right(whole)
  let high = rendered.length - 1
  while (best.items < high) {
    const middle = measure(Math.ceil((best.items + high) / 2))
    if (fits(middle)) best = middle
    else high = middle.items - 1
  }
  return Either.right(best)
}
