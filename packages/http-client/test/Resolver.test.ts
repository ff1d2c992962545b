// @effect-diagnostics nodeBuiltinImport:off -- node's TLS server is the other side
import { describe, expect, it } from "@effect/vitest"
import { HttpClient, HttpError, Resolver } from "@sennit/http-client"
import type { HttpConfig, SsrfGuard } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import * as Https from "node:https"
import { haveOpenssl, makeAuthority } from "./servers/makeCertificates.ts"
import { isRequired, listening } from "./servers/startProgram.ts"

const server = rawServer((connection) =>
  Effect.forever(
    Effect.zipRight(connection.request, connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
  )
)

/** A new connection for each request. */
const ask = (url: string) =>
  HttpClient.get(url, { headers: { connection: "close" } }).pipe(
    Effect.flatMap((response) => response.text),
    Effect.catchAll((error) => Effect.fail(Option.getOrThrow(HttpError.fromClientError(error))))
  )

/** Answers with the given addresses, and counts how often it was asked. */
const counting = (addresses: (host: string) => ReadonlyArray<string>) => {
  const asked: Array<string> = []
  const resolver: Resolver.Resolver = {
    resolve: (host) =>
      Effect.sync(() => {
        asked.push(host)
        return addresses(host)
      })
  }
  return { asked, resolver }
}

const withPool = <A, E>(
  options: HttpConfig.PoolOptions,
  effect: Effect.Effect<A, E, HttpClient.HttpClient>
): Effect.Effect<A, E> => Effect.provide(effect, HttpClient.layerPooled(options))

describe("Resolver", () => {
  it.effect("the system knows localhost and no name below invalid", () =>
    Effect.gen(function*() {
      const addresses = yield* Resolver.system.resolve("localhost")
      expect(["127.0.0.1", "::1"]).toEqual(expect.arrayContaining([...addresses]))
      const error = yield* Effect.flip(Resolver.system.resolve("nothing.invalid"))
      expect(error).toMatchObject({ _tag: "DnsError", host: "nothing.invalid", code: "ENOTFOUND" })
    }))

  it.scoped("asks once while the addresses are kept", () =>
    Effect.gen(function*() {
      const { port } = yield* server
      const { asked, resolver } = counting(() => ["127.0.0.1"])
      yield* withPool(
        { resolver, dnsTtl: "10 seconds" },
        Effect.gen(function*() {
          yield* Effect.repeatN(ask(`http://a.example:${port}/`), 2)
          yield* ask(`http://b.example:${port}/`)
          expect(asked).toEqual(["a.example", "b.example"])
          yield* TestClock.adjust("10 seconds")
          yield* ask(`http://a.example:${port}/`)
          expect(asked).toEqual(["a.example", "b.example", "a.example"])
        })
      )
      asked.length = 0
      yield* withPool({ resolver, dnsTtl: 0 }, Effect.repeatN(ask(`http://a.example:${port}/`), 2))
      expect(asked).toEqual(["a.example", "a.example", "a.example"])
    }))

  it.scoped("forgets the name that was not used for longest", () =>
    Effect.gen(function*() {
      const { port } = yield* server
      const { asked, resolver } = counting(() => ["127.0.0.1"])
      const name = (index: number) => ask(`http://n${index}.example:${port}/`)
      yield* withPool(
        { resolver },
        Effect.gen(function*() {
          for (let index = 0; index < 256; index++) yield* name(index)
          yield* name(0)
          yield* name(256)
          yield* name(0)
          expect(asked).toHaveLength(257)
          yield* name(1)
          expect(asked).toHaveLength(258)
        })
      )
    }))

  it.scoped("asks once for all who want a name at the same time", () =>
    Effect.gen(function*() {
      const { port } = yield* server
      const answer = yield* Deferred.make<ReadonlyArray<string>>()
      let asked = 0
      const resolver = { resolve: () => Effect.zipRight(Effect.sync(() => asked++), Deferred.await(answer)) }
      yield* withPool(
        { resolver },
        Effect.gen(function*() {
          const all = yield* Effect.fork(
            Effect.all(Array.from({ length: 5 }, () => ask(`http://a.example:${port}/`)), { concurrency: "unbounded" })
          )
          yield* Effect.repeat(Effect.yieldNow(), { until: () => asked > 0 })
          yield* Deferred.succeed(answer, ["127.0.0.1"])
          expect(yield* Fiber.join(all)).toEqual(["ok", "ok", "ok", "ok", "ok"])
        })
      )
      expect(asked).toBe(1)
    }))

  it.scoped("keeps no failure", () =>
    Effect.gen(function*() {
      const { port } = yield* server
      const answers: Array<Effect.Effect<ReadonlyArray<string>, HttpError.DnsError>> = [
        Effect.fail(new HttpError.DnsError({ host: "a.example", code: "EAI_AGAIN", cause: undefined })),
        Effect.succeed([]),
        Effect.succeed(["127.0.0.1", "localhost"]),
        Effect.die(new Error("broken")),
        Effect.succeed(["127.0.0.1"])
      ]
      const resolver = { resolve: () => Effect.suspend(() => answers.shift() ?? Effect.succeed([])) }
      const url = `http://a.example:${port}/`
      yield* withPool(
        { resolver },
        Effect.gen(function*() {
          for (const code of ["EAI_AGAIN", "EMPTY", "EBADRESP", "RESOLVER"]) {
            expect(yield* Effect.flip(ask(url))).toMatchObject({ _tag: "DnsError", host: "a.example", code })
          }
          expect(yield* ask(url)).toBe("ok")
        })
      )
    }))

  it.scoped("a lookup that takes too long ends in a timeout, and ends with the request that nobody wants any more", () =>
    Effect.gen(function*() {
      const { port } = yield* server
      const started = yield* Queue.unbounded<void>()
      const interrupted = yield* Queue.unbounded<void>()
      const never = Queue.offer(started, undefined).pipe(
        Effect.zipRight(Effect.never),
        Effect.onInterrupt(() => Queue.offer(interrupted, undefined))
      )
      const answers: Array<Effect.Effect<ReadonlyArray<string>>> = [never, never, Effect.succeed(["127.0.0.1"])]
      const resolver = { resolve: () => Effect.suspend(() => answers.shift() ?? Effect.never) }
      const url = `http://a.example:${port}/`
      yield* withPool(
        { resolver, timeouts: { dns: "2 seconds" } },
        Effect.gen(function*() {
          const late = yield* Effect.fork(Effect.flip(ask(url)))
          yield* Queue.take(started)
          yield* TestClock.adjust("2 seconds")
          const origin = `http://a.example:${port}`
          expect(yield* Fiber.join(late)).toMatchObject({ _tag: "DnsTimeout", origin, millis: 2000 })
          yield* Queue.take(interrupted)
          const left = yield* Effect.fork(ask(url))
          yield* Queue.take(started)
          yield* Fiber.interrupt(left)
          yield* Queue.take(interrupted)
          expect(yield* ask(url)).toBe("ok")
        })
      )
    }))

  it.scoped("the guard is asked at every use of an address, and for every address", () =>
    Effect.gen(function*() {
      const { port } = yield* server
      const { asked, resolver } = counting((host) => host === "a.example" ? ["127.0.0.1"] : ["127.0.0.1", "127.0.0.2"])
      let allowed = true
      const ssrfGuard: SsrfGuard.SsrfGuard = {
        forbids: ({ address }) => allowed && address === "127.0.0.1" ? undefined : "closed"
      }
      yield* withPool(
        { resolver, ssrfGuard },
        Effect.gen(function*() {
          expect(yield* ask(`http://a.example:${port}/`)).toBe("ok")
          const mixed = yield* Effect.flip(ask(`http://b.example:${port}/`))
          expect(mixed).toMatchObject({ _tag: "AddressForbidden", address: "127.0.0.2", range: "closed" })
          allowed = false
          const refused = yield* Effect.flip(ask(`http://a.example:${port}/`))
          expect(refused).toMatchObject({ _tag: "AddressForbidden", address: "127.0.0.1", range: "closed" })
        })
      )
      expect(asked).toEqual(["a.example", "b.example"])
    }))

  it.scoped("goes to the next address when one is dead, and asks again when all are", () =>
    Effect.gen(function*() {
      const { port } = yield* server
      const { asked, resolver } = counting((host) =>
        host === "a.example" ? ["127.0.0.2", "::1", "127.0.0.1"] : ["127.0.0.2", "127.0.0.3"]
      )
      yield* withPool(
        { resolver },
        Effect.gen(function*() {
          expect(yield* ask(`http://a.example:${port}/`)).toBe("ok")
          for (const _ of [1, 2]) {
            const error = yield* Effect.flip(ask(`http://b.example:${port}/`))
            expect(error).toMatchObject({ _tag: "ConnectError", reason: "Refused" })
          }
        })
      )
      expect(asked).toEqual(["a.example", "b.example", "b.example"])
    }))

  it.scoped.skipIf(!haveOpenssl && !isRequired)(
    "goes to the next address with TLS as well (apt-get install openssl)",
    () =>
      Effect.gen(function*() {
        const { ca, issue } = yield* makeAuthority
        const { cert, key } = issue("DNS:a.example")
        const port = yield* listening(Https.createServer({ key, cert }, (_, response) => response.end("ok")))
        const { resolver } = counting(() => ["127.0.0.2", "127.0.0.1"])
        expect(yield* withPool({ resolver, tls: { ca } }, ask(`https://a.example:${port}/`))).toBe("ok")
      })
  )
})
