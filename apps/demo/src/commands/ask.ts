/** `ask` and `chat`: questions from a terminal or a pipe. The answer goes to standard output as it comes. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeStream from "@effect/platform-node/NodeStream"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Terminal from "@effect/platform/Terminal"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { FileRefused, MAX_FILE_BYTES, tooLarge } from "../ApiError.ts"
import * as Ask from "../Ask.ts"
import { Quietly } from "../DemoError.ts"
import { there } from "../Place.ts"
import { as, asJson } from "./output.ts"

/** What was piped in, for the question `-`. */
const piped = Stream.mkString(Stream.decodeText(NodeStream.stdin))

const session = Options.text("session").pipe(Options.optional, Options.withDescription("Go on in this conversation"))

const attachment = (file: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const name = path.basename(file)
    const unreadable = (error: PlatformError) =>
      new FileRefused({ name, reason: "NoSuchFile", detail: `${file} cannot be read: ${error.message}.` })
    const { size } = yield* Effect.mapError(fs.stat(file), unreadable)
    if (size > MAX_FILE_BYTES) return yield* tooLarge(name)
    return { name, bytes: Stream.mapError(fs.stream(file), unreadable) }
  })

const print = Effect.fnUntraced(function*(json: boolean, answer: Ask.Answer) {
  yield* Console.log(json ? Ask.toJson(answer) : `\n\n${Ask.footer(answer)}`)
  // The footer has said why.
  if (!Ask.succeeded(answer)) return yield* new Quietly()
})

export const run = Command.make(
  "run",
  {
    resume: Options.text("resume").pipe(Options.withDescription("The conversation whose answer was cut off")),
    as,
    json: asJson
  },
  ({ as: whom, json, resume }) =>
    Effect.gen(function*() {
      const terminal = yield* Terminal.Terminal
      const show: Ask.Show = json
        ? () => Effect.void
        : Ask.makePrinter((text) => Effect.ignore(terminal.display(text)))
      yield* print(json, yield* there(whom, Ask.resume(resume, show)))
    })
).pipe(Command.withDescription("Go on with an answer that the end of a process has cut off"))

export const ask = Command.make(
  "ask",
  {
    question: Args.text({ name: "question" }),
    attach: Options.file("attach").pipe(Options.repeated, Options.withDescription("A file that the question is about")),
    session,
    as,
    json: asJson
  },
  ({ as: whom, attach, json, question, session: conversation }) =>
    Effect.gen(function*() {
      const terminal = yield* Terminal.Terminal
      const asked = question === "-" ? yield* piped : question
      const attachments = yield* Effect.forEach(attach, attachment)
      const show: Ask.Show = json
        ? () => Effect.void
        : Ask.makePrinter((text) => Effect.ignore(terminal.display(text)))
      yield* print(json, yield* there(whom, Ask.ask({ text: asked, attachments, conversation }, show)))
    })
).pipe(Command.withDescription("Ask one question; with - it is read from standard input"))

/** One line, one question; an answer that cannot be given is explained, and the next line is read. */
const converse = (start: Option.Option<string>, json: boolean) =>
  Effect.gen(function*() {
    const terminal = yield* Terminal.Terminal
    const write = (text: string) => Effect.ignore(terminal.display(text))
    const conversation = yield* Ref.make(start)
    const prompt = process.stdin.isTTY ? write("> ") : Effect.void
    const answer = (text: string) =>
      Effect.gen(function*() {
        const show: Ask.Show = json ? () => Effect.void : Ask.makePrinter(write)
        const given = yield* Ask.ask({ text, attachments: [], conversation: yield* conversation }, show)
        yield* Ref.set(conversation, Option.some(given.conversation))
        yield* Console.log(json ? Ask.toJson(given) : `\n\n${Ask.footer(given)}\n`)
      }).pipe(Effect.catchAll(({ message }) => Console.error(message)))
    yield* prompt
    yield* NodeStream.stdin.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.map((line) => line.trim()),
      Stream.takeWhile((line) => line !== "/exit"),
      Stream.runForEach((line) => Effect.zipRight(line === "" ? Effect.void : answer(line), prompt))
    )
  })

export const chat = Command.make(
  "chat",
  { session, as, json: asJson },
  ({ as: whom, json, session: conversation }) => there(whom, converse(conversation, json))
).pipe(Command.withDescription("Ask line by line, in one conversation; /exit or Ctrl-D ends it"))
