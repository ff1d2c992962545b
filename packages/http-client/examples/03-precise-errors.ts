import { HttpClient, HttpError, SsrfGuard } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

// a URL that somebody else chose: it may not lead into the machine or its network
const fetchForUser = (url: string) =>
  HttpClient.get(url).pipe(
    Effect.map((response) => `status ${response.status}`),
    Effect.catchAll((error) =>
      Effect.succeed(Option.match(HttpError.fromClientError(error), {
        onNone: () => error.message,
        onSome: (precise) =>
          precise._tag === "AddressForbidden" ? `${precise.address} is ${precise.range}` : precise._tag
      }))
    )
  )

const program = Effect.forEach(
  ["http://2130706433/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/meta-data", "ftp://example.com/"],
  fetchForUser
)

const layer = HttpClient.layerPooled({ ssrfGuard: SsrfGuard.publicOnly })
for (const line of await Effect.runPromise(Effect.provide(program, layer))) console.log(line)
// => 127.0.0.1 is loopback
// => ::ffff:a00:1 is translated
// => 169.254.169.254 is metadata
// => InvalidRequest
