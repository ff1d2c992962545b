// @effect-diagnostics nodeBuiltinImport:off - runs Python, an implementation that is not ours
import { Config, Effect, Schema } from "effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("programs/oracle.py", import.meta.url))

/** The Python of the system, or another one that has `cryptography`. */
const python = ["/usr/bin/python3", "python3"].find((name) =>
  spawnSync(name, ["-c", "import cryptography"], { stdio: "ignore" }).status === 0
)

const isRequired = Effect.runSync(Config.withDefault(Config.boolean("SENNIT_REQUIRE_SERVERS"), false))

if (isRequired && python === undefined) {
  throw new Error("SENNIT_REQUIRE_SERVERS is set and there is no oracle: apt-get install python3-cryptography")
}

/** Why there is no oracle, for the names of what is skipped then. */
export const missing = python === undefined ? " (no oracle here: apt-get install python3-cryptography)" : ""

const readAnswers = Schema.decodeUnknown(Schema.parseJson(Schema.Array(Schema.NullOr(Schema.String))))

/** Answers of pyca/cryptography, `null` for what it refuses. */
export const ask = (requests: ReadonlyArray<{ readonly [name: string]: string | number }>) =>
  Effect.suspend(() => {
    const { stdout } = spawnSync(python ?? "", [program], {
      encoding: "utf8",
      input: JSON.stringify(requests),
      maxBuffer: 2 ** 28
    })
    return readAnswers(stdout)
  })
