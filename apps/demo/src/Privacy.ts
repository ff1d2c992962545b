// @effect-diagnostics nodeBuiltinImport:off -- the digest of a receipt is node's
/** Everything of one person: to take along, and to destroy. */
import { MemoryVault } from "@sennit/memory-vault"
import type { MemoryScope } from "@sennit/memory-vault"
import { type Erasure, SessionService } from "@sennit/secure-sessions"
import { Store } from "@sennit/store"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { Receipt } from "./Api.ts"
import type { StorageFailed } from "./ApiError.ts"
import { Conversations } from "./Conversations.ts"
import { EventHub } from "./EventHub.ts"
import { FileStore } from "./FileStore.ts"
import { Identity } from "./Identity.ts"
import { failed } from "./StorageProblem.ts"

export class Privacy extends Context.Tag("@sennit/demo/Privacy")<Privacy, {
  /**
   * Destroys the key of the conversations, and removes memories and files. One that was stopped is completed by calling
   * it again: the key goes last.
   */
  readonly erase: Effect.Effect<Receipt, StorageFailed>
  /** All that is kept, in JSON lines; the last line says how many came before it. */
  readonly export: Stream.Stream<string, StorageFailed>
}>() {}

const recordOf = (record: Erasure.ExportRecord) => {
  switch (record._tag) {
    case "UserState":
      return { type: "person", state: record.state }
    case "Session": {
      const { session } = record
      return {
        type: "conversation",
        id: session.ref.id,
        created: DateTime.formatIso(session.createTime),
        updated: DateTime.formatIso(session.updateTime),
        state: session.state
      }
    }
    case "Event": {
      const { author, body, id, sequence, time } = record.event
      return { type: "event", conversation: record.ref.id, sequence, id, time: DateTime.formatIso(time), author, body }
    }
  }
}

/** Bytes of a file in one line of an export. */
const LINE_BYTES = 48 * 1024

const inLines = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from(
    { length: Math.ceil(bytes.length / LINE_BYTES) },
    (_, index) => bytes.subarray(index * LINE_BYTES, (index + 1) * LINE_BYTES)
  )

const inMemory = "Turns asked over the DIAL path since this server started: they are in its memory until it stops."

const backups =
  "Backups and copies of the data folder, made before: they still hold the encrypted conversations, and the key of that time."

const make = Effect.fnUntraced(function*(scope: MemoryScope.MemoryScope) {
  const files = yield* FileStore
  const store = yield* Store.Store
  const sessions = yield* SessionService.SessionService
  const conversations = yield* Conversations
  const identity = yield* Identity
  const hub = yield* EventHub
  const memories = (yield* MemoryVault.MemoryVault).scoped(scope)

  const idsOf = Effect.flatMap(
    identity.owner,
    (owner) => Effect.mapError(Stream.runCollect(Stream.map(sessions.list(owner), ({ ref }) => ref.id)), failed)
  )

  const filesOf = (id: string) =>
    Stream.unwrap(Effect.map(
      store.child(id),
      (folder) => Stream.map(folder.list("", { recursive: true }), ({ key }) => ({ folder, name: key }))
    ))

  const erase = conversations.alone(Effect.gen(function*() {
    const owner = yield* identity.owner
    const ids = [...yield* idsOf]
    const counts = yield* Effect.forEach(ids, files.removeAll)
    const forgotten = yield* Effect.mapError(memories.forgetAll({ confirm: true }), failed)
    const destroyed = yield* Effect.mapError(sessions.eraseUser(owner.app, owner.user), failed)
    yield* identity.renew
    yield* hub.publish(ids.map((conversation) => ({ type: "removed", conversation })))
    const receipt = {
      person: identity.name,
      time: DateTime.formatIso(destroyed.time),
      conversations: destroyed.sessions,
      events: destroyed.events,
      destroyedKey: Option.getOrNull(destroyed.keyId),
      memories: forgotten.memories,
      notes: forgotten.notes,
      memoryLogEmptied: forgotten.logTruncated,
      files: counts.reduce((sum, count) => sum + count, 0),
      notReached: [backups, ...files.notReached, inMemory]
    }
    const digest = createHash("sha256").update(JSON.stringify(receipt)).digest("hex")
    return new Receipt({ ...receipt, digest })
  }))

  const exportFiles = (conversation: string) =>
    Stream.flatMap(
      filesOf(conversation),
      ({ folder, name }) =>
        Stream.mapAccum(Stream.mapConcat(folder.read(name), inLines), 0, (offset, bytes) => [
          offset + bytes.length,
          { type: "file", conversation, name, offset, base64: Encoding.encodeBase64(bytes) }
        ])
    )

  const records = Stream.concatAll<object, StorageFailed, never>(Chunk.make(
    Stream.flatMap(
      Stream.fromEffect(identity.owner),
      ({ app, user }) => Stream.mapBoth(sessions.exportUser(app, user), { onFailure: failed, onSuccess: recordOf })
    ),
    Stream.mapBoth(memories.export, {
      onFailure: failed,
      onSuccess: (line) => ({ type: "memory", record: JSON.parse(line) })
    }),
    Stream.flatMap(Stream.fromIterableEffect(idsOf), (id) => Stream.mapError(exportFiles(id), failed))
  ))

  return Privacy.of({
    erase,
    export: Stream.suspend(() => {
      let count = 0
      const counted = Stream.tap(records, () => Effect.sync(() => count++))
      const end = Stream.sync(() => ({ type: "end", records: count }))
      return Stream.map(Stream.concat(counted, end), (record) => `${JSON.stringify(record)}\n`)
    })
  })
})

/** `scope` is whose memories these are. */
export const layer = (scope: MemoryScope.MemoryScope) => Layer.effect(Privacy, make(scope))
