/** `sessions`, `memory`, `files` and `tools`: what there is, for people and for programs. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { MemorySummary } from "../Api.ts"
import type { Block, ConversationSummary } from "../Block.ts"
import { Desk } from "../Desk.ts"
import { type For, there } from "../Place.ts"
import { as, asJson, toText } from "./output.ts"

type Api = Desk["Type"]["api"]

/** Asks for something and prints it, as JSON or in lines. */
const look = <A, E, R>(
  whom: For,
  json: boolean,
  get: (api: Api) => Effect.Effect<A, E, R>,
  lines: (found: A) => ReadonlyArray<string>
) =>
  there(whom, Effect.flatMap(Desk, ({ api }) => get(api))).pipe(
    Effect.flatMap((found) => Console.log(json ? toText(found) : lines(found).join("\n")))
  )

const timeOf = (millis: number) => DateTime.formatIso(DateTime.unsafeMake(millis)).slice(0, 16)

const id = Args.text({ name: "id" })

// --- sessions ----------------------------------------------------------------------------------------------------

const sessionLine = ({ hit, id: session, running, title, updatedAt }: ConversationSummary) =>
  `${session}  ${timeOf(updatedAt)}  ${title}${running ? " (running)" : ""}${hit === undefined ? "" : `\n    ${hit}`}`

const blockLines = (block: Block): ReadonlyArray<string> => {
  switch (block.type) {
    case "question":
      return [`> ${block.text}`, ...block.attachments.map(({ name }) => `  with ${name}`), ""]
    case "text":
      return [block.text, ""]
    case "tool":
      return [`[${block.name} ${block.status}] ${block.arguments.replaceAll(/\s+/g, " ")}`, ""]
    case "run":
      return []
    case "notice":
      return [`(${block.text})`, ""]
    case "finish":
      return [`(${block.outcome}, ${block.model})`, ""]
  }
}

const show = Command.make("show", { id, as, json: asJson }, ({ as: whom, id: conversation, json }) =>
  look(
    whom,
    json,
    ({ conversations }) => conversations.get({ path: { conversation } }),
    ({ blocks }) => blocks.flatMap(blockLines)
  )).pipe(Command.withDescription("Print a conversation"))

const remove = Command.make("delete", { id, as, json: asJson }, ({ as: whom, id: conversation, json }) =>
  look(
    whom,
    json,
    ({ conversations }) => Effect.as(conversations.delete({ path: { conversation } }), { deleted: conversation }),
    ({ deleted }) => [`Deleted ${deleted} and its files.`]
  )).pipe(Command.withDescription("Delete a conversation and its files"))

const search = Options.text("search").pipe(Options.optional, Options.withDescription("Those in which this was said"))

export const sessions = Command.make(
  "sessions",
  { search, as, json: asJson },
  ({ as: whom, json, search: text }) =>
    look(
      whom,
      json,
      ({ conversations }) => conversations.list({ urlParams: { search: Option.getOrUndefined(text) } }),
      (found) => found.length === 0 ? ["No conversations."] : found.map(sessionLine)
    )
).pipe(
  Command.withDescription("The latest conversations"),
  Command.withSubcommands([show, remove])
)

// --- memory ------------------------------------------------------------------------------------------------------

const memoryLines = ({ id: memory, savedAt, text, validTo, version, why }: MemorySummary): ReadonlyArray<string> => [
  `${memory}  ${timeOf(savedAt)}  ${text}` +
  `${version > 1 ? ` (version ${version})` : ""}${validTo === null ? "" : ` (until ${timeOf(validTo)})`}`,
  ...(why === undefined
    ? []
    : [
      `    ${why.score.toFixed(3)} = ${why.parts.map(({ name, share }) => `${name} ${share.toFixed(3)}`).join(" + ")}`
    ])
]

const forget = Command.make("forget", { id, as, json: asJson }, ({ as: whom, id: memory, json }) =>
  look(
    whom,
    json,
    ({ memories }) => Effect.as(memories.forget({ path: { memory } }), { forgotten: memory }),
    ({ forgotten }) => [`Forgotten: ${forgotten}.`]
  )).pipe(Command.withDescription("Forget a memory"))

const history = Command.make("history", { id, as, json: asJson }, ({ as: whom, id: memory, json }) =>
  look(
    whom,
    json,
    ({ memories }) => memories.history({ path: { memory } }),
    (found) => found.map(({ recordedAt, text, version }) => `${version}  ${timeOf(recordedAt)}  ${text}`)
  )).pipe(Command.withDescription("Every version of a memory"))

const question = Options.text("question").pipe(
  Options.optional,
  Options.withDescription("What would be recalled for this question, and why")
)

const asOf = Options.date("as-of").pipe(Options.optional, Options.withDescription("What was so at this time"))

export const memory = Command.make(
  "memory",
  { question, asOf, as, json: asJson },
  ({ as: whom, asOf: time, json, question: text }) =>
    look(
      whom,
      json,
      ({ memories }) =>
        memories.list({
          urlParams: {
            question: Option.getOrUndefined(text),
            asOf: Option.getOrUndefined(Option.map(time, (date) => date.getTime()))
          }
        }),
      (found) => found.length === 0 ? ["Nothing remembered."] : found.flatMap(memoryLines)
    )
).pipe(Command.withDescription("What is remembered"), Command.withSubcommands([forget, history]))

// --- files and tools ---------------------------------------------------------------------------------------------

const allFiles = ({ conversations }: Api) =>
  Effect.flatMap(conversations.list({ urlParams: {} }), (summaries) =>
    Effect.forEach(
      summaries,
      ({ id: conversation }) =>
        Effect.map(conversations.get({ path: { conversation } }), ({ files: found }) =>
          found.map((file) => ({ session: conversation, ...file }))),
      { concurrency: 4 }
    )).pipe(Effect.map((found) => found.flat()))

export const files = Command.make("files", { as, json: asJson }, ({ as: whom, json }) =>
  look(
    whom,
    json,
    allFiles,
    (found) =>
      found.length === 0
        ? ["No files."]
        : found.map(({ name, session, size }) => `${session}  ${String(size).padStart(10)}  ${name}`)
  )).pipe(Command.withDescription("The files of the latest conversations"))

export const tools = Command.make("tools", { json: asJson }, ({ json }) =>
  look(
    "everyone",
    json,
    ({ server }) => Effect.map(server.tools(), ({ tools: found }) => found),
    (found) => found.map(({ description, name }) => `${name.padEnd(14)}${description}`)
  )).pipe(Command.withDescription("What the assistant can use"))
