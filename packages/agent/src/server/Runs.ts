// @effect-diagnostics schemaSync:off -- an event of ours is always of its schema, and a stream sends many
/**
 * The package's own protocol: runs that go on without a reader. `POST /runs`
 * starts one, `GET /runs/:id/events` follows it from any event on, and
 * `DELETE /runs/:id` stops it. Runs of other users do not exist here.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { RunAlreadyExists, RunNotFound, RunStateError, RunStoreError, TooManyRuns } from "../AgentError.ts"
import { EndpointError } from "../AgentError.ts"
import { AgentEvent } from "../AgentEvent.ts"
import type { RunStatus } from "../AgentRuns.ts"
import { AgentRuns } from "../AgentRuns.ts"
import { Decision } from "../Approval.ts"
import { Attachment } from "../Message.ts"
import type { Options } from "./Endpoint.ts"
import { errorBody, errorResponse, eventStream, PerUser, readBody, readCaller, refusal } from "./Endpoint.ts"

const StartRequest = Schema.Struct({
  agent: Schema.String,
  message: Schema.String,
  attachments: Schema.optionalWith(Schema.Array(Attachment), { default: () => [] }),
  conversation: Schema.optionalWith(Schema.String, { default: () => "" })
})

const encodeEvent = Schema.encodeSync(Schema.parseJson(AgentEvent))

const notFound = (): EndpointError => refusal(404, "There is no such run.", { code: "run_not_found" })

type RunsError = RunNotFound | RunStoreError | RunStateError | TooManyRuns | RunAlreadyExists | EndpointError

const toEndpointError = (error: RunsError): EndpointError => {
  switch (error._tag) {
    case "EndpointError":
      return error
    case "RunNotFound":
      return notFound()
    case "TooManyRuns":
      return new EndpointError({
        status: 429,
        type: "rate_limit_error",
        code: "too_many_runs",
        detail: error.message,
        retryAfterMillis: 1000
      })
    case "RunStoreError":
      return refusal(503, "The journal of runs could not be used.", { code: "journal" })
    case "RunStateError":
    case "RunAlreadyExists":
      return refusal(409, error.message, { code: "run_state" })
  }
}

const shown = ({ agent, conversation, outcome, runId, running, seq }: RunStatus): object => ({
  id: runId,
  agent,
  conversation,
  seq,
  running,
  outcome: outcome ?? null
})

/** One event of the log as a server-sent event, whose id is its number. */
const toSse = (event: AgentEvent): string => `id: ${event.seq}\nevent: ${event._tag}\ndata: ${encodeEvent(event)}\n\n`

/** A browser that comes again says what it saw last. */
const seenBefore = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<number, EndpointError> => {
  const text = Option.getOrElse(
    Option.orElse(
      Headers.get(request.headers, "last-event-id"),
      () => Option.fromNullable(new URL(request.url, "http://localhost").searchParams.get("after"))
    ),
    () => "0"
  )
  return /^\d{1,15}$/.test(text)
    ? Effect.succeed(Number(text))
    : Effect.fail(refusal(400, "The number of the last event is not a number.", { param: "Last-Event-ID" }))
}

const answer = <E extends RunsError, R2>(
  handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R2>
) => Effect.catchAll(handler, (error) => Effect.succeed(errorResponse(toEndpointError(error))))

/**
 * The routes, for a router of `HttpLayerRouter`:
 *
 * - `POST /runs` with `{ agent, message, attachments?, conversation? }` starts a run
 * - `GET /runs` lists the caller's, `GET /runs/:id` shows one
 * - `GET /runs/:id/events` streams its events; `Last-Event-ID` or `?after=` says what was seen
 * - `DELETE /runs/:id` stops it, `POST /runs/:id/resume` goes on with it
 * - `POST /runs/:id/approvals/:call` with `{ approved, why? }` decides about a call
 *
 * Leaving the stream of events does not stop a run.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R>(
  options: Options<R>
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter | AgentRuns> => {
  const perUser = new PerUser(options.maxPerUser ?? 8)

  const mine = (runs: typeof AgentRuns.Service) =>
    Effect.gen(function*() {
      const caller = yield* readCaller(options)
      const { id = "" } = yield* HttpLayerRouter.params
      const status = yield* runs.status(id)
      // What belongs to somebody else looks like what is not there.
      if (status.user !== caller.user) return yield* notFound()
      return { caller, status, id }
    })

  const agentOf = (name: string) => {
    const agent = options.agents[name]
    return agent === undefined
      ? Effect.fail(refusal(404, `The agent "${name}" does not exist.`, { code: "agent_not_found", param: "agent" }))
      : Effect.succeed(agent)
  }

  return HttpLayerRouter.use((router) =>
    Effect.gen(function*() {
      const runs = yield* AgentRuns
      const start = Effect.gen(function*() {
        const { key, user } = yield* readCaller(options)
        const { agent: name, attachments, conversation, message } = yield* readBody(StartRequest, options)
        const agent = yield* agentOf(name)
        const services = yield* options.services({ user, conversation, key })
        const status = yield* Effect.provide(
          runs.start(agent, { message, attachments, user, conversation }),
          services
        )
        return HttpServerResponse.unsafeJson(shown(status), {
          status: 201,
          headers: { location: `/runs/${status.runId}` }
        })
      })

      const list = Effect.gen(function*() {
        const { user } = yield* readCaller(options)
        const found = yield* Stream.runCollect(runs.list({ user }))
        return HttpServerResponse.unsafeJson({ runs: Chunk.toReadonlyArray(found).map(shown) })
      })

      const events = Effect.gen(function*() {
        const { caller, id } = yield* mine(runs)
        const after = yield* seenBefore(yield* HttpServerRequest.HttpServerRequest)
        yield* perUser.enter(caller.user)
        return eventStream(
          runs.attach(id, { after }).pipe(
            Stream.mapChunks((chunk) => Chunk.of(Chunk.toReadonlyArray(chunk).map(toSse).join(""))),
            Stream.catchAll((error) =>
              Stream.make(`event: error\ndata: ${JSON.stringify(errorBody(toEndpointError(error)))}\n\n`)
            )
          )
        )
      })

      const stop = Effect.gen(function*() {
        const { id } = yield* mine(runs)
        return HttpServerResponse.unsafeJson(shown(yield* runs.cancel(id)))
      })

      const resume = Effect.gen(function*() {
        const { caller, id, status } = yield* mine(runs)
        const agent = yield* agentOf(status.agent)
        const services = yield* options.services({ ...caller, conversation: status.conversation })
        return HttpServerResponse.unsafeJson(shown(yield* Effect.provide(runs.resume(agent, id), services)))
      })

      const approve = Effect.gen(function*() {
        const { caller, id } = yield* mine(runs)
        const { call = "" } = yield* HttpLayerRouter.params
        const decision = yield* readBody(Decision, options)
        return HttpServerResponse.unsafeJson(shown(yield* runs.approve(id, call, { ...decision, by: caller.user })))
      })

      yield* router.add("POST", "/runs", answer(start))
      yield* router.add("GET", "/runs", answer(list))
      yield* router.add(
        "GET",
        "/runs/:id",
        answer(Effect.map(mine(runs), ({ status }) => HttpServerResponse.unsafeJson(shown(status))))
      )
      yield* router.add("GET", "/runs/:id/events", answer(events))
      yield* router.add("DELETE", "/runs/:id", answer(stop))
      yield* router.add("POST", "/runs/:id/resume", answer(resume))
      yield* router.add("POST", "/runs/:id/approvals/:call", answer(approve))
    })
  )
}
