/**
 * A scope as JSON lines in clear, read in pages.
 *
 * @since 0.1.0
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { MemoryRevision } from "../Memory.ts"
import type { CipherError, StorageError } from "../MemoryVaultError.ts"
import { formatVersion, PortableRecord } from "../Portable.ts"
import type { PortableRevision } from "../Portable.ts"
import { readProcedures } from "./keyedNotes.ts"
import { guard, memoryColumns, toMemory, toRevision } from "./memoryRows.ts"
import type { MemoryRow, RevisionRow } from "./memoryRows.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import type { Sealer } from "./sealFields.ts"

interface ExportRow extends MemoryRow {
  readonly source: string
  readonly stated_to: number | null
}

const pageSize = 128
const encode = Schema.encode(Schema.parseJson(PortableRecord))
// Every record is built from rows that this package wrote, so it has the form.
const line = (record: PortableRecord): Effect.Effect<string> =>
  Effect.orDie(Effect.map(encode(record), (json) => `${json}\n`))

const toPortable = (
  sealer: Sealer,
  row: ExportRow,
  revisions: ReadonlyArray<RevisionRow>
): Either.Either<PortableRecord, SqlError> =>
  Either.gen(function*() {
    const { id, metadata, role, speaker, text } = yield* toMemory(sealer)(row)
    const earlier = yield* Either.all(revisions.map(toRevision(sealer, id)))
    return {
      kind: "memory",
      id,
      type: row.type,
      text,
      occurrences: row.occurrences,
      source: row.source,
      ...(row.session === null ? {} : { sessionId: row.session }),
      ...(speaker === undefined ? {} : { speaker }),
      ...(role === undefined ? {} : { role }),
      ...(row.event_time === null ? {} : { eventTime: row.event_time }),
      ...(metadata === undefined ? {} : { metadata }),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      version: row.version,
      validFrom: row.valid_from,
      ...(row.stated_to === null ? {} : { validTo: row.stated_to }),
      revisions: earlier.map(toPortableRevision)
    }
  })

const toPortableRevision = (revision: MemoryRevision): typeof PortableRevision.Type => ({
  version: revision.version,
  recordedAt: DateTime.toEpochMillis(revision.recordedAt),
  text: revision.text,
  type: revision.type,
  validFrom: DateTime.toEpochMillis(revision.validFrom),
  ...(revision.eventTime === undefined ? {} : { eventTime: DateTime.toEpochMillis(revision.eventTime) }),
  ...(revision.metadata === undefined ? {} : { metadata: revision.metadata })
})

const readRows = ({ keys, sql }: Store, key: ScopeKey, after: number) =>
  keys.reading(key, (sealer) =>
    Effect.gen(function*() {
      const rows = yield* sql<ExportRow>`SELECT ${sql.literal(memoryColumns)}, source, stated_to FROM vault_memories
      WHERE scope = (SELECT id FROM vault_scopes
        WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent}) AND doc > ${after}
      ORDER BY doc LIMIT ${pageSize}`
      const records = yield* Effect.forEach(rows, (row) =>
        Effect.flatMap(
          row.version === 1
            ? Effect.succeed([])
            : sql<RevisionRow>`SELECT version, recorded_at, text, type, valid_from, event_time, metadata, 0 AS current
              FROM vault_revisions WHERE doc = ${row.doc} AND scope = (SELECT scope FROM vault_memories
                WHERE doc = ${row.doc}) ORDER BY version`,
          (revisions) => toPortable(sealer, row, revisions)
        ))
      const next = rows.length < pageSize ? Option.none<number>() : Option.fromNullable(rows.at(-1)?.doc)
      return [records, next] as const
    }))

/**
 * Every memory in the order of saving, then the procedures. Each page is one moment's; what changes while the stream
 * flows may or may not be in it.
 *
 * @since 0.1.0
 */
export const exportScope = (store: Store, key: ScopeKey): Stream.Stream<string, StorageError | CipherError> => {
  const memories = Stream.paginateEffect(0, (after) => guard("export")(readRows(store, key, after))).pipe(
    Stream.flattenIterables
  )
  const procedures = Stream.fromIterableEffect(guard("export")(readProcedures(store, key))).pipe(
    Stream.map(({ createdAt, updatedAt, ...procedure }): PortableRecord => ({
      kind: "procedure",
      ...procedure,
      createdAt: DateTime.toEpochMillis(createdAt),
      updatedAt: DateTime.toEpochMillis(updatedAt)
    }))
  )
  const header: PortableRecord = { kind: "header", format: "sennit-memory-vault", version: formatVersion }
  return Stream.concat(memories, procedures).pipe(
    Stream.map((record) => Option.some(record)),
    Stream.concat(Stream.succeed(Option.none<PortableRecord>())),
    Stream.mapAccumEffect({ memories: 0, procedures: 0 }, (counts, record) =>
      Option.match(record, {
        onNone: () => Effect.map(line({ kind: "end", ...counts }), (text) => [counts, text] as const),
        onSome: (one) =>
          Effect.map(line(one), (text) =>
            [
              one.kind === "memory"
                ? { ...counts, memories: counts.memories + 1 }
                : { ...counts, procedures: counts.procedures + 1 },
              text
            ] as const)
      })),
    (lines) => Stream.concat(line(header), lines)
  )
}
