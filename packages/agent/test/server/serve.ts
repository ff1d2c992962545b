// @effect-diagnostics nodeBuiltinImport:off -- a real server on a port of its own
/** A real HTTP server with some routes, on a port that the system gives. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import { AgentError, ChatModel } from "@sennit/agent"
import type { Credentials } from "@sennit/agent/server/Endpoint"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"

/** The address under which these routes answer, as long as the scope is open. */
export const serve = <R>(
  routes: Layer.Layer<never, never, HttpLayerRouter.HttpRouter | R>
) =>
  Effect.gen(function*() {
    const server = NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })
    const context = yield* Layer.build(
      Layer.provideMerge(HttpLayerRouter.serve(routes, { disableLogger: true, disableListenLog: true }), server)
    )
    return HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  })

/** Keys are `key-of-NAME`. */
export const authenticate = ({ key }: Credentials) =>
  Option.match(Option.map(key, Redacted.value), {
    onNone: () => Effect.succeed("nobody"),
    onSome: (value) =>
      value.startsWith("key-of-")
        ? Effect.succeed(value.slice(7))
        : Effect.fail(
          new AgentError.EndpointError({ status: 401, type: "invalid_request_error", detail: "Unknown key" })
        )
  })

export const services = (model: typeof ChatModel.ChatModel.Service) => () =>
  Effect.succeed(Context.make(ChatModel.ChatModel, model))
