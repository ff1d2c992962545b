// @effect-diagnostics nodeBuiltinImport:off -- NodeHttpServer is given the server that it runs on
/** The demo's command line; `serve` is here, the other commands in commands/. */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Otlp from "@effect/opentelemetry/Otlp"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import type * as Runtime from "@effect/platform/Runtime"
import { HttpClient } from "@sennit/http-client"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { createServer } from "node:http"
import { ask, chat, run } from "./commands/ask.ts"
import { doctor } from "./commands/doctor.ts"
import { keys } from "./commands/keys.ts"
import { files, memory, sessions, tools } from "./commands/look.ts"
import * as Privacy from "./commands/privacy.ts"
import { DemoConfig } from "./DemoConfig.ts"
import { CannotListen, Quietly } from "./DemoError.ts"
import * as Layers from "./Layers.ts"
import { People } from "./People.ts"
import { addressOf } from "./Place.ts"
import * as ProgramRuns from "./ProgramRuns.ts"
import * as Programs from "./Programs.ts"
import { About, routerConfig, routes, Tools } from "./Server.ts"

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
  // What was cut off goes on now, not when somebody looks.
  yield* Effect.flatMap(People, ({ get }) => get(about.person))
  // Servers of tools are started now, not at the first question.
  yield* Effect.forkScoped(yield* Tools)
  const [model] = about.models
  const { address } = yield* HttpServer.HttpServer
  yield* Console.log([
    `Sennit listens on ${addressOf(address._tag === "TcpAddress" ? address.port : 0)}`,
    `Data folder: ${about.dataFolder}; conversations in ${about.sessionsIn}`,
    `${about.keySource}. ${about.encrypted.join(" and ")} are encrypted; in clear: ${about.inClear.join(", ")}`,
    `Model: ${model.name}${model.id === "planner" ? " (not a language model; set OPENAI_BASE_URL to use one)" : ""}`
  ].join("\n"))
})

/** Traces and metrics to a collector, where there is one. */
const observed = ({ collector }: DemoConfig) =>
  Option.match(collector, {
    onNone: () => Layer.empty,
    onSome: (baseUrl) =>
      Layer.provide(
        Otlp.layerJson({ baseUrl, resource: { serviceName: "sennit" } }),
        HttpClient.layerPooled()
      )
  })

const serve = Command.make("serve", {}, () =>
  Effect.gen(function*() {
    const config = yield* DemoConfig
    const programs = Layer.merge(Programs.layer(Layers.forPrograms), ProgramRuns.layer(Layers.agentName))
    const server = HttpLayerRouter.serve(Layer.merge(routes, programs), {
      disableLogger: true,
      disableListenLog: true,
      routerConfig
    })
    return yield* Layer.launch(
      Layer.scopedDiscard(announce).pipe(
        Layer.provideMerge(server),
        Layer.provide(Layers.layer(config, { goesOn: true })),
        Layer.provide(httpServer(config.port)),
        Layer.provide(observed(config))
      )
    )
  })).pipe(Command.withDescription("Serve the page and its API on 127.0.0.1"))

// --- start -------------------------------------------------------------------------------------------------------

const command = Command.make("sennit").pipe(
  Command.withSubcommands([
    serve,
    ask,
    chat,
    run,
    sessions,
    memory,
    files,
    tools,
    keys,
    Privacy.erase,
    Privacy.export,
    doctor
  ])
)

const cli = Command.run(command, { name: "Sennit", version: "0.1.0" })

const isQuiet = Schema.is(Quietly)

/** Says in one line what happened and what to do; a defect, which is a bug of ours, shows where it comes from. */
const report = (cause: Cause.Cause<ValidationError.ValidationError | { readonly message: string }>) =>
  Cause.isInterruptedOnly(cause)
    ? Effect.void
    : Option.match(Cause.failureOption(cause), {
      onNone: () => Console.error(Cause.pretty(cause)),
      onSome: (error) =>
        // The command line's own errors have been printed with the usage, what failed with its reason.
        ValidationError.isValidationError(error) || isQuiet(error)
          ? Effect.void
          : Console.error(ConfigError.isConfigError(error) ? String(error) : error.message)
    })

/** Ctrl-C is how a server is ended; anything else that it stops has not done its work. */
const teardown: Runtime.Teardown = (exit, end) => {
  if (Exit.isSuccess(exit)) return end(0)
  if (!Cause.isInterruptedOnly(exit.cause)) return end(1)
  end(process.argv[2] === "serve" ? 0 : 130)
}

cli(process.argv).pipe(
  Effect.tapErrorCause(report),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)
