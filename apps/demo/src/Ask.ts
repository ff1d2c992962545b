/** `ask`: one question from a terminal. The answer goes to standard output as it comes. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { FileRefused } from "./ApiError.ts"
import type { Block } from "./Block.ts"
import { Desk, type DeskFailure } from "./Desk.ts"
import { apply } from "./Thread.ts"

export interface Question {
  readonly text: string
  readonly attachments: ReadonlyArray<{ readonly name: string; readonly bytes: Stream.Stream<Uint8Array, FileRefused> }>
  readonly conversation: Option.Option<string>
}

/** What was asked and answered: the blocks of this run. */
export interface Answer {
  readonly conversation: string
  readonly blocks: ReadonlyArray<Block>
}

/** Is given the blocks of the answer whenever they changed. */
export type Show = (blocks: ReadonlyArray<Block>) => Effect.Effect<void>

type Finish = Extract<Block, { type: "finish" }>

/** Asks, and gives each change of the answer to `show` until it is complete. */
export const ask = Effect.fn("Ask.ask")(function*(
  question: Question,
  show: Show
) {
  const desk = yield* Desk
  const conversation = yield* desk.conversation(question.conversation)
  const names = yield* Effect.forEach(
    question.attachments,
    ({ bytes, name }) => Effect.map(desk.putFile(conversation, name, bytes), (stored) => stored.name)
  )
  return yield* followTo(conversation, desk.ask(conversation, question.text, names), show)
})

/** Goes on with an answer that the end of a process has cut off. */
export const resume = Effect.fn("Ask.resume")(function*(conversation: string, show: Show) {
  const desk = yield* Desk
  return yield* followTo(conversation, desk.resume(conversation), show)
})

/** Begins something in a conversation, and gives each change to `show` until the answer is complete. */
const followTo = Effect.fnUntraced(
  function*(conversation: string, begin: Effect.Effect<void, DeskFailure>, show: Show) {
    const desk = yield* Desk
    let blocks: ReadonlyArray<Block> = []
    yield* desk.follow(begin).pipe(
      Stream.filter((event) =>
        (event.type === "block" || event.type === "delta") && event.conversation === conversation
      ),
      Stream.tap((event) => {
        if (event.type === "block" || event.type === "delta") blocks = apply(blocks, event) ?? blocks
        return show(blocks)
      }),
      Stream.takeUntil((event) => event.type === "block" && event.block.type === "finish"),
      Stream.runDrain
    )
    return { conversation, blocks } satisfies Answer
  }
)

const textOf = (blocks: ReadonlyArray<Block>) =>
  blocks.filter((block) => block.type === "text").map(({ text }) => text).join("\n\n")

const toolsOf = (blocks: ReadonlyArray<Block>) => blocks.filter((block) => block.type === "tool")

const finishOf = (blocks: ReadonlyArray<Block>): Option.Option<Finish> =>
  Option.fromNullable(blocks.find((block) => block.type === "finish"))

/** The answer as one JSON object. */
export const toJson = ({ blocks, conversation }: Answer): string =>
  JSON.stringify(
    {
      session: conversation,
      answer: textOf(blocks),
      outcome: Option.getOrUndefined(Option.map(finishOf(blocks), ({ outcome }) => outcome)),
      message: Option.getOrUndefined(Option.map(finishOf(blocks), ({ message }) => message)),
      model: Option.getOrUndefined(Option.map(finishOf(blocks), ({ model }) => model)),
      tools: toolsOf(blocks).map(({ arguments: given, durationMs, name, result, status }) => ({
        name,
        arguments: given,
        status,
        result,
        durationMs
      }))
    },
    undefined,
    2
  )

/** What stands below the answer: the tools, the model and how to go on. */
export const footer = ({ blocks, conversation }: Answer): string => {
  const tools = toolsOf(blocks).map(({ name, status }) => status === "failed" ? `${name} (failed)` : name)
  const { message, model, outcome } = Option.getOrElse(
    finishOf(blocks),
    () => ({ message: "", model: "", outcome: "interrupted" as const })
  )
  const ending = outcome === "completed" ? [] : [`${outcome}${message === "" ? "" : `: ${message}`}`]
  return [
    ...ending,
    `tools: ${tools.length === 0 ? "none" : tools.join(", ")}`,
    `answered by: ${model}`,
    `session: ${conversation}`
  ].join("\n")
}

export const succeeded = ({ blocks }: Answer): boolean =>
  Option.exists(finishOf(blocks), ({ outcome }) => outcome === "completed" || outcome === "limited")

/** Prints text as it grows: what was shown is not shown again. */
export const makePrinter = (write: (text: string) => Effect.Effect<void>): Show => {
  let shown = ""
  return (blocks) =>
    Effect.suspend(() => {
      const text = textOf(blocks)
      const fresh = text.slice(shown.length)
      shown = text
      return fresh === "" ? Effect.void : write(fresh)
    })
}
