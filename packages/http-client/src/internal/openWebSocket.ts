import * as Effect from "effect/Effect"
import { HeadersTimeout, InvalidRequest } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import { openTimeout } from "./classifyOpenFailure.ts"
import { WebSocketDriver } from "./driveWebSocket.ts"
import type { Opening } from "./driveWebSocket.ts"
import type { FrameExchange } from "./exchangeFrames.ts"

/** ws and wss are http and https with another name. @internal */
export const httpUrl = (url: string | URL): URL | InvalidRequest => {
  const text = String(url).replace(/^ws(s?):/i, "http$1:")
  if (!URL.canParse(text)) return new InvalidRequest({ reason: "Url", detail: "the URL cannot be parsed" })
  const made = new URL(text)
  if (made.protocol !== "http:" && made.protocol !== "https:") {
    return new InvalidRequest({ reason: "Url", detail: "the scheme of the URL is not ws or wss" })
  }
  return made.username === "" && made.password === ""
    ? made
    : new InvalidRequest({ reason: "Url", detail: "the URL has credentials in it; use an Authorization header" })
}

/** Waits until the handshake is done, each phase of it for its own time. */
const untilOpen = (driver: WebSocketDriver, opening: Opening): Effect.Effect<FrameExchange, HttpError> =>
  Effect.suspend(() => {
    const { exchange, failure, phase } = driver
    if (exchange !== undefined) return Effect.succeed(exchange)
    if (failure !== undefined) return Effect.fail(failure)
    const { connector, origin } = opening
    const millis = connector.settings.timeouts[phase]
    return Effect.async<void>((resume) => driver.waitStep(phase, () => resume(Effect.void))).pipe(
      Effect.timeoutFail({
        duration: millis,
        onTimeout: () =>
          phase === "headers" ? new HeadersTimeout({ origin: origin.key, millis }) : openTimeout(phase, origin, millis)
      }),
      Effect.zipRight(untilOpen(driver, opening))
    )
  })

/** Make a connection; whoever gets it frees it. @internal */
export const openExchange = (opening: Opening): Effect.Effect<FrameExchange, HttpError> =>
  Effect.suspend(() => {
    const driver = new WebSocketDriver(opening)
    driver.open()
    return Effect.onError(untilOpen(driver, opening), () => Effect.sync(() => driver.free()))
  })
