import { Encryption, SecureSessions } from "@sennit/secure-sessions"
import { DateTime, Effect, ManagedRuntime, Schema } from "effect"

const Note = Schema.Struct({ text: Schema.String, due: Schema.DateTimeUtc })

const program = Effect.gen(function*() {
  const encryption = yield* Encryption.Encryption
  const owner = { app: "desk", user: "ada" }
  const place = { table: "notes", column: "body", id: "7" }

  const envelope = yield* encryption.sealJson(Note)(owner, place, {
    text: "Water the ferns",
    due: DateTime.unsafeMake(0)
  })
  const note = yield* encryption.openJson(Note)(owner, place, envelope)
  const moved = yield* Effect.flip(encryption.openJson(Note)(owner, { ...place, id: "8" }, envelope))
  return { envelope, note, moved }
})

const runtime = ManagedRuntime.make(SecureSessions.layerMemory)
const { envelope, moved, note } = await runtime.runPromise(program)
console.log(Buffer.from(envelope.subarray(0, 4)).toString("hex")) // => 5e550202
console.log(note.text, DateTime.formatIso(note.due)) // => Water the ferns 1970-01-01T00:00:00.000Z
console.log(moved._tag === "DecryptionError" && moved.reason) // => AuthenticationFailed
await runtime.dispose()
