// @effect-diagnostics nodeBuiltinImport:off -- keys
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SessionsSealer from "@sennit/agent/adapters/SessionsSealer"
import { Encryption, KeyProvider } from "@sennit/secure-sessions"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { describeSealer } from "../sealerCases.ts"

describeSealer(
  "secure-sessions",
  SessionsSealer.layer({ app: "desk" }).pipe(
    Layer.provide(Encryption.layer()),
    Layer.provide(Layer.merge(
      SqliteClient.layer({ filename: ":memory:" }),
      KeyProvider.layerKeyring([{ id: "k1", key: Redacted.make<Uint8Array>(randomBytes(32)) }])
    )),
    Layer.orDie
  )
)
