// @effect-diagnostics asyncFunction:off - the tool that runs these checks awaits them
/** Long checks: writers that are killed, writers that meet, and first creates by the hundred, on both databases. */
import { SessionService } from "@sennit/secure-sessions"
import { Effect, Random, Redacted, type Scope } from "effect"
import * as Postgres from "../test/postgres.ts"
import { inspect, ref, runWriter } from "../test/programs/runWriters.ts"
import { openPlace, temporaryFile, using } from "../test/support.ts"

interface SoakOptions {
  readonly minutes: number
  readonly quick: boolean
}

interface SoakResult {
  readonly ok: boolean
  readonly figures: ReadonlyArray<string>
}

type Place = Effect.Effect<string, never, Scope.Scope>

const places: ReadonlyArray<readonly [name: string, place: Place]> = [
  ["sqlite", Effect.orDie(temporaryFile)],
  ...(Postgres.missing === undefined
    ? [
      [
        "pg",
        Effect.map(Effect.flatMap(Postgres.start, ({ createDatabase }) => createDatabase), Redacted.value)
      ] as const
    ]
    : [])
]

const look = (place: string) => Effect.scoped(using(openPlace(place))(inspect))

/** After each killed writer the session is whole and holds every event that was acknowledged. */
const kill = (place: Place) =>
  Effect.fnUntraced(function*({ quick }: SoakOptions) {
    const where = yield* place
    const rounds = quick ? 10 : 200
    const acknowledged: Array<string> = []
    const problems: Array<string> = []
    for (let round = 0; round < rounds; round++) {
      const killAfter = yield* Random.nextIntBetween(1, 60)
      const { acknowledged: more } = yield* runWriter({ place: where, name: `w${round}`, count: 100_000, killAfter })
      acknowledged.push(...more)
      const { ids, problems: found } = yield* look(where)
      problems.push(...found, ...acknowledged.filter((id) => !ids.has(id)).map((id) => `${id} is lost`))
    }
    const figures = [`${rounds} writers killed`, `${acknowledged.length} events acknowledged`, ...problems.slice(0, 5)]
    return { ok: problems.length === 0, figures }
  })

/** Two processes append to one session. */
const meet = (place: Place) =>
  Effect.fnUntraced(function*({ quick }: SoakOptions) {
    const where = yield* place
    const count = quick ? 100 : 1000
    const ended = yield* Effect.forEach(["left", "right"], (name) => runWriter({ place: where, name, count }), {
      concurrency: 2
    })
    const { ids, problems } = yield* look(where)
    const errors = ended.flatMap(({ code, stderr }) => code === 0 && stderr === "" ? [] : [`${code} ${stderr}`])
    const ok = problems.length === 0 && errors.length === 0 && ids.size === 2 * count
    return {
      ok,
      figures: [`2 processes of ${count} appends`, `${ids.size} stored`, ...errors, ...problems.slice(0, 5)]
    }
  })

/** Five hundred callers create the first sessions of an app at once. */
const create = (place: Place) =>
  Effect.fnUntraced(function*() {
    const where = yield* place
    const made = yield* using(openPlace(where))(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      return yield* Effect.forEach(
        Array.from({ length: 500 }, (_, index) => index),
        (own) => Effect.either(sessions.create({ app: ref.app, user: ref.user, state: { "app:seen": own, own } })),
        { concurrency: "unbounded" }
      )
    }))
    const failed = made.flatMap((one) => one._tag === "Left" ? [String(one.left)] : [])
    return { ok: failed.length === 0, figures: [`500 creates`, `${failed.length} failed`, ...failed.slice(0, 3)] }
  })

const checks = Object.entries({ kill, meet, create }).flatMap(([id, check]) =>
  places.map(([name, place]) => ({
    id: `${id}.${name}`,
    run: (options: SoakOptions): Promise<SoakResult> => Effect.runPromise(Effect.scoped(check(place)(options)))
  }))
)

export default checks
