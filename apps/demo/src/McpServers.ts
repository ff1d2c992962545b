/** What `SENNIT_MCP_SERVERS` says: JSON of servers by their names, as other programs write it too. */
import type { McpClient } from "@sennit/agent"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

const Name = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9-]{1,20}$/))
const Secrets = Schema.Record({ key: Schema.String, value: Schema.Redacted(Schema.String) })
const exactly = { exact: true } as const

/** A program that is started here, or an address. */
const Server = Schema.Union(
  Schema.Struct({
    command: Schema.NonEmptyString,
    args: Schema.optionalWith(Schema.Array(Schema.String), exactly),
    env: Schema.optionalWith(Secrets, exactly),
    cwd: Schema.optionalWith(Schema.String, exactly)
  }),
  Schema.Struct({
    url: Schema.String.pipe(Schema.filter((url) => URL.canParse(url))),
    headers: Schema.optionalWith(Secrets, exactly)
  })
)

const decode = Schema.decodeEither(
  // A list has no names.
  Schema.compose(
    Schema.String.pipe(Schema.pattern(/^\s*\{/)),
    Schema.parseJson(Schema.Record({ key: Name, value: Server }))
  ),
  // A name that is none, or a word that is misspelt.
  { onExcessProperty: "error" }
)

const words =
  "it is JSON such as {\"disk\":{\"command\":\"npx\",\"args\":[\"-y\",\"@modelcontextprotocol/server-filesystem\"," +
  "\"/home/me\"]},\"web\":{\"url\":\"https://example.com/mcp\"}}; `env` and `headers` may be given; a name has 1 to 20 " +
  "letters, digits and dashes"

const named = ([name, options]: [string, typeof Server.Type]): McpClient.Server => ({ name, ...options })

/** Why it is refused never repeats what it is: there may be keys in it. */
export const mcpServers = (name: string): Config.Config<ReadonlyArray<McpClient.Server>> =>
  Config.string(name).pipe(
    Config.mapOrFail((text): Either.Either<ReadonlyArray<McpClient.Server>, ConfigError.ConfigError> =>
      Either.mapBoth(decode(text), {
        onLeft: () => ConfigError.InvalidData([], words),
        onRight: (servers) => Object.entries(servers).map(named)
      })
    ),
    Config.withDefault([])
  )
