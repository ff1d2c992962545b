// @effect-diagnostics nodeBuiltinImport:off -- NodeHttpServer is given the server that it runs on
/** The demo's command line: `serve` and `ask`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Path from "@effect/platform/Path"
import * as Terminal from "@effect/platform/Terminal"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"
import { FileRefused, MAX_FILE_BYTES, tooLarge } from "./Api.ts"
import * as Ask from "./Ask.ts"
import { keys } from "./commands/keys.ts"
import { as, asJson } from "./commands/output.ts"
import * as Privacy from "./commands/privacy.ts"
import { DemoConfig } from "./DemoConfig.ts"
import { AskFailed, CannotListen } from "./DemoError.ts"
import * as Layers from "./Layers.ts"
import { addressOf, there } from "./Place.ts"
import { About, routes } from "./Server.ts"

// --- serve -------------------------------------------------------------------------------------------------------

/** Node's server, which is cut off from its last open connections when the demo stops. */
const httpServer = (port: number) =>
  Layer.unwrapScoped(Effect.sync(() => {
    const server = createServer()
    const cut = Layer.scopedDiscard(Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections())))
    const listening = NodeHttpServer.layer(() => server, { host: "127.0.0.1", port })
    return Layer.provideMerge(cut, Layer.catchAll(listening, (error) => Layer.fail(CannotListen.from(port)(error))))
  }))

const announce = Effect.gen(function*() {
  const about = yield* About
  const { address } = yield* HttpServer.HttpServer
  yield* Console.log([
    `Sennit listens on ${addressOf(address._tag === "TcpAddress" ? address.port : 0)}`,
    `Data folder: ${about.dataFolder}`,
    `${about.keySource} (conversations are encrypted; in clear: ${about.inClear.join(", ")})`,
    `Model: ${about.model}${about.planner ? " (not a language model; set OPENAI_BASE_URL to use one)" : ""}`
  ].join("\n"))
})

const serve = Command.make("serve", {}, () =>
  Effect.gen(function*() {
    const config = yield* DemoConfig
    const server = HttpLayerRouter.serve(routes, { disableLogger: true, disableListenLog: true })
    return yield* Layer.launch(
      Layer.effectDiscard(announce).pipe(
        Layer.provideMerge(server),
        Layer.provide(Layers.layer(config)),
        Layer.provide(httpServer(config.port))
      )
    )
  })).pipe(Command.withDescription("Serve the page and its API on 127.0.0.1"))

// --- ask ---------------------------------------------------------------------------------------------------------

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

const ask = Command.make(
  "ask",
  {
    question: Args.text({ name: "question" }),
    attach: Options.file("attach").pipe(Options.repeated, Options.withDescription("A file that the question is about")),
    session: Options.text("session").pipe(Options.optional, Options.withDescription("Go on in this conversation")),
    as,
    json: asJson
  },
  ({ as: whom, attach, json, question, session }) =>
    Effect.gen(function*() {
      const terminal = yield* Terminal.Terminal
      const attachments = yield* Effect.forEach(attach, attachment)
      const show: Ask.Show = json
        ? () => Effect.void
        : Ask.makePrinter((text) => Effect.ignore(terminal.display(text)))
      const answer = yield* there(whom, Ask.ask({ text: question, attachments, conversation: session }, show))
      yield* Console.log(json ? Ask.toJson(answer) : `\n\n${Ask.footer(answer)}`)
      // The footer has said why.
      if (!Ask.succeeded(answer)) return yield* new AskFailed()
    })
).pipe(Command.withDescription("Ask one question; `-- --help` lists the options"))

// --- start -------------------------------------------------------------------------------------------------------

const command = Command.make("sennit").pipe(Command.withSubcommands([serve, ask, keys, Privacy.erase, Privacy.export]))

const cli = Command.run(command, { name: "Sennit", version: "0.1.0" })

const isAskFailed = Schema.is(AskFailed)

/** Says in one line what happened and what to do; a defect, which is a bug of ours, shows where it comes from. */
const report = (cause: Cause.Cause<ValidationError.ValidationError | { readonly message: string }>) =>
  Cause.isInterruptedOnly(cause)
    ? Effect.void
    : Option.match(Cause.failureOption(cause), {
      onNone: () => Console.error(Cause.pretty(cause)),
      onSome: (error) =>
        // The command line's own errors have been printed with the usage, an unfinished answer with its reason.
        ValidationError.isValidationError(error) || isAskFailed(error)
          ? Effect.void
          : Console.error(ConfigError.isConfigError(error) ? String(error) : error.message)
    })

cli(process.argv).pipe(
  Effect.tapErrorCause(report),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
