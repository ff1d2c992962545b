/**
 * When a memory is valid. Validity is worked out from the facts that a scope holds and from nothing else: the order in
 * which they arrive does not matter, and forgetting a fact gives the one before it back.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { MemoryId } from "../Memory.ts"
import type { Fact } from "./extractFacts.ts"
import { opening, placeOf } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"

interface FactRow {
  readonly doc: number
  readonly id: MemoryId
  readonly value: string
  readonly holds: number
  readonly whole: number
  readonly ends: number
  readonly valid_from: number
  readonly stated_to: number | null
  readonly valid_to: number | null
  readonly superseded_by: MemoryId | null
}

/**
 * A memory whose validity changed.
 *
 * @since 0.1.0
 */
export interface Validity {
  readonly doc: number
  readonly id: MemoryId
  readonly validTo: number | null
  readonly supersededBy: MemoryId | null
}

/** "Acme" and "Acme Corp" may be one and the same. */
const isPart = (one: string, other: string): boolean =>
  one === other || `${one} `.startsWith(`${other} `) || `${other} `.startsWith(`${one} `)

const contradicts = (later: FactRow, earlier: FactRow): boolean =>
  later.holds === earlier.holds
    ? later.holds === 1 && !isPart(later.value, earlier.value)
    : isPart(later.value, earlier.value)

/** `rows` in order of time: the first later fact that contradicts ends one. */
const validityOf = (row: FactRow, later: ReadonlyArray<FactRow>): Validity => {
  const next = row.whole === 1
    ? later.find((other) => other.ends === 1 && other.doc !== row.doc && contradicts(other, row))
    : undefined
  const isStatedFirst = row.stated_to !== null && (next === undefined || row.stated_to <= next.valid_from)
  return next === undefined || isStatedFirst
    ? { doc: row.doc, id: row.id, validTo: row.stated_to, supersededBy: null }
    : { doc: row.doc, id: row.id, validTo: next.valid_from, supersededBy: next.id }
}

const slotPlace = placeOf("fact.slot")
const valuePlace = (id: string, slot: string): string => placeOf("fact.value", id, slot)

const settleSlot = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  slot: string
): Effect.Effect<ReadonlyArray<Validity>, SqlError> =>
  Effect.gen(function*() {
    const stored = yield* sql<FactRow>`
      SELECT f.doc, m.id, f.value, f.holds, f.whole, f.ends, m.valid_from, m.stated_to, m.valid_to, m.superseded_by
      FROM vault_facts f JOIN vault_memories m ON m.doc = f.doc
      WHERE f.scope = ${scope} AND f.slot = ${sealer.sealText(slotPlace, slot)} ORDER BY m.valid_from, f.doc`
    const rows = !sealer.sealed ?
      stored :
      yield* opening(() =>
        stored.map((row): FactRow =>
          Object.assign(row, { value: sealer.openText(valuePlace(row.id, slot), row.value) })
        )
      )
    const changed = rows.flatMap((row, i) => {
      const validity = validityOf(row, rows.slice(i + 1))
      return validity.validTo === row.valid_to && validity.supersededBy === row.superseded_by ? [] : [validity]
    })
    yield* Effect.forEach(
      changed,
      ({ doc, supersededBy, validTo }) =>
        sql`UPDATE vault_memories SET valid_to = ${validTo}, superseded_by = ${supersededBy} WHERE doc = ${doc}`,
      {
        discard: true
      }
    )
    return changed
  })

/**
 * Works out anew which memories of these slots are valid until when.
 *
 * @since 0.1.0
 */
export const settleSlots = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  slots: Iterable<string>
): Effect.Effect<ReadonlyArray<Validity>, SqlError> =>
  Effect.map(
    Effect.forEach(new Set(slots), (slot) => settleSlot(sql, sealer, scope, slot)),
    (changed) => changed.flat()
  )

/**
 * @since 0.1.0
 */
export const insertFacts = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  { doc, id }: { readonly doc: number; readonly id: string },
  facts: ReadonlyArray<Fact>
): Effect.Effect<void, SqlError> =>
  Effect.forEach(
    facts,
    ({ ends, holds, slot, value, whole }) =>
      sql`INSERT INTO vault_facts (scope, slot, doc, value, holds, whole, ends)
      VALUES (${scope}, ${sealer.sealText(slotPlace, slot)}, ${doc}, ${sealer.sealText(valuePlace(id, slot), value)}, ${
        Number(holds)
      }, ${Number(whole)}, ${Number(ends)})
      ON CONFLICT DO NOTHING`,
    { discard: true }
  )

/**
 * Removes the facts of a memory and names their slots, which are to be settled afterwards.
 *
 * @since 0.1.0
 */
export const deleteFacts = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  doc: number
): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.flatMap(
    sql<{ readonly slot: string }>`DELETE FROM vault_facts WHERE doc = ${doc} AND scope = ${scope} RETURNING slot`,
    (rows) => opening(() => rows.map(({ slot }) => sealer.openText(slotPlace, slot)))
  )
