/** Everything that can be set from outside, in one place; README lists the same table. */
import * as Config from "effect/Config"
import { mcpServers } from "./McpServers.ts"

const text = (name: string) => Config.option(Config.nonEmptyString(name))

/** Host names and addresses with a port, separated by commas. */
const hosts = (name: string) =>
  Config.map(
    Config.withDefault(Config.string(name), ""),
    (value) => value.split(",").map((host) => host.trim()).filter((host) => host !== "")
  )

export const isUserName = (name: string): boolean => /^[\w.-]{1,64}$/.test(name)

export const DemoConfig = Config.all({
  /** The data folder: sessions.db, memory.db, files/ and the key. */
  dataFolder: Config.withDefault(Config.nonEmptyString("SENNIT_DATA"), ".sennit"),
  /** 0 takes any free port; the server prints which. */
  port: Config.integer("SENNIT_PORT").pipe(
    Config.validate({
      message: "a port is a number from 0 to 65535",
      validation: (port) => port >= 0 && port <= 65_535
    }),
    Config.withDefault(4100)
  ),
  /** Whose conversations and memories these are; a folder may hold those of several people. */
  user: Config.nonEmptyString("SENNIT_USER").pipe(
    Config.validate({
      message: "a name has 1 to 64 letters, digits, dots, dashes and underscores",
      validation: isUserName
    }),
    Config.withDefault("local")
  ),
  /** Several people sign in with a name and a password; otherwise whoever reaches the server is `user`. */
  accounts: Config.withDefault(Config.boolean("SENNIT_ACCOUNTS"), false),
  /** 32 bytes in base64 or hexadecimal: takes the place of the key file. */
  key: Config.option(Config.redacted("SENNIT_KEY")),
  /** Takes the place of the key file; the key is derived from it. */
  passphrase: Config.option(Config.redacted("SENNIT_PASSPHRASE")),
  /** An OpenAI-compatible server, such as http://127.0.0.1:11434/v1. Without it the offline planner answers. */
  modelAddress: text("OPENAI_BASE_URL"),
  modelKey: Config.option(Config.redacted("OPENAI_API_KEY")),
  modelName: Config.withDefault(Config.nonEmptyString("SENNIT_MODEL"), "gpt-4o-mini"),
  /** Where conversations are kept: PostgreSQL at this address, or sessions.db in the data folder. */
  databaseUrl: Config.option(Config.redacted("SENNIT_DATABASE_URL")),
  /** An S3-compatible server for attached files, or files/ in the data folder; the rest of it is `StoreConfig.s3`. */
  filesAddress: text("STORE_S3_ENDPOINT"),
  /** Where traces and metrics are sent, over OTLP: the address of a collector, such as http://127.0.0.1:4318. */
  collector: text("OTEL_EXPORTER_OTLP_ENDPOINT"),
  /** MCP servers whose tools the assistant may use beside its own, by name. */
  mcpServers: mcpServers("SENNIT_MCP_SERVERS"),
  /** Private hosts that fetch_url may reach, such as 127.0.0.1:8080. */
  allowedHosts: hosts("SENNIT_ALLOW_HOSTS")
})

export type DemoConfig = Config.Config.Success<typeof DemoConfig>
