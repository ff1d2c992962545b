import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { SessionService } from "@sennit/secure-sessions"
import { Effect, Either, Option } from "effect"
import { ada, app, openFile, say, temporaryFile, using } from "./support.ts"

describe("a full disk", () => {
  it.scoped("refuses an append typed and whole, keeps what there was, and takes the next once there is room", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const whole = yield* using(openFile(filename))(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        const sql = yield* SqlClient.SqlClient
        let session = yield* sessions.create({ app, user: ada, state: { last: -1 } })

        // SQLite answers as on a full disk when the file may have no more pages.
        const [pages] = yield* sql<{ readonly page_count: number }>`PRAGMA page_count`
        yield* sql.unsafe(`PRAGMA max_page_count = ${pages!.page_count + 20}`)
        const append = (last: number) =>
          Effect.either(sessions.append(session, say("x".repeat(4000)), { stateDelta: { last } }))
        let outcome = yield* append(0)
        while (Either.isRight(outcome)) {
          session = outcome.right
          outcome = yield* append(session.revision)
        }
        expect(outcome.left).toMatchObject({ _tag: "StorageError", reason: "Full", retryable: true })
        expect(session.revision).toBeGreaterThan(0)
        const kept = Option.getOrThrow(yield* sessions.get(session.ref))
        expect(kept.events).toEqual(session.events)
        expect(kept.state).toEqual({ last: session.revision - 1 })

        yield* sql.unsafe(`PRAGMA max_page_count = 1000000`)
        return yield* sessions.append(kept, say("there is room"))
      }))
      yield* using(openFile(filename))(Effect.gen(function*() {
        const { verify } = yield* SessionService.SessionService
        expect(yield* verify(whole.ref)).toMatchObject({ eventCount: whole.revision })
      }))
    }))
})
