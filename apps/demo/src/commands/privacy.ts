/** `erase` and `export`. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Terminal from "@effect/platform/Terminal"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { NotConfirmed } from "../DemoError.ts"
import { Desk } from "../Desk.ts"
import { there } from "../Place.ts"
import { as, toText } from "./output.ts"

const WORD = "erase"

const confirm = Effect.gen(function*() {
  yield* Console.error(
    `This destroys all conversations, memories and files of this person for good. Type "${WORD}" to go on:`
  )
  const line = yield* NodeStream.stdin.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead)
  if (Option.getOrElse(line, () => "").trim() !== WORD) return yield* new NotConfirmed()
})

const yes = Options.boolean("yes").pipe(Options.withDescription("Do not ask"))

export const erase = Command.make("erase", { yes, as }, ({ as: whom, yes: sure }) =>
  Effect.gen(function*() {
    if (!sure) yield* confirm
    const receipt = yield* there(
      whom,
      Effect.flatMap(Desk, ({ api }) => api.privacy.erase({ payload: { confirm: true } }))
    )
    yield* Console.log(toText(receipt))
  })).pipe(Command.withDescription("Destroy everything of a person; prints a receipt in JSON"))

const exportCommand = Command.make("export", { as }, ({ as: whom }) =>
  Effect.gen(function*() {
    const terminal = yield* Terminal.Terminal
    const print = Effect.flatMap(Desk, (desk) => Stream.runForEach(desk.export, (text) => terminal.display(text)))
    yield* there(whom, print)
  })).pipe(Command.withDescription("Print everything of a person as JSON lines"))

export { exportCommand as export }
