// @effect-diagnostics nodeBuiltinImport:off starts programs
/** Other people's S3 clients: the AWS command line and rclone. */
import type { S3 } from "@sennit/store"
import { Effect, Redacted } from "effect"
import * as ChildProcess from "node:child_process"
import { isInstalled } from "./startServer.ts"

export const haveForeign = isInstalled("aws") && isInstalled("rclone")

/** What runs a program with the credentials, and answers what it prints. Anything else is a bug of the test. */
const runner = (settings: NodeJS.ProcessEnv) => (program: string, args: ReadonlyArray<string>) =>
  Effect.async<Buffer>((resume) => {
    const { AWS_CA_BUNDLE: _, ...inherited } = process.env
    const options = { env: { ...inherited, ...settings }, encoding: "buffer", maxBuffer: 2 ** 26 } as const
    const child = ChildProcess.execFile(program, [...args], options, (error, stdout, stderr) => {
      resume(error === null ? Effect.succeed(stdout) : Effect.dieMessage(`${program}: ${stderr.toString()}`))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** The clients for the bucket of a store. */
export const foreignClients = ({ bucket, credentials, endpoint, region }: Omit<S3.Options, "credentials"> & {
  readonly credentials: S3.Credentials
}) => {
  const { accessKeyId, secretAccessKey } = credentials
  const secret = Redacted.value(secretAccessKey)
  const run = runner({
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_DEFAULT_REGION: region,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    RCLONE_CONFIG: "/dev/null",
    RCLONE_CONFIG_X_TYPE: "s3",
    RCLONE_CONFIG_X_PROVIDER: "Other",
    RCLONE_CONFIG_X_ENDPOINT: endpoint,
    RCLONE_CONFIG_X_REGION: region,
    RCLONE_CONFIG_X_ACCESS_KEY_ID: accessKeyId,
    RCLONE_CONFIG_X_SECRET_ACCESS_KEY: secret
  })
  return {
    /** `aws s3api` on the bucket; answers its JSON. */
    aws: (command: string, ...args: ReadonlyArray<string>) =>
      Effect.map(
        run("aws", ["--endpoint-url", endpoint, "s3api", command, "--bucket", bucket, "--output", "json", ...args]),
        (printed): unknown => printed.length === 0 ? {} : JSON.parse(printed.toString())
      ),
    /** `rclone` on a path in the bucket; answers what it prints. */
    rclone: (command: string, path: string, ...args: ReadonlyArray<string>) =>
      run("rclone", [command, `X:${bucket}/${path}`, ...args])
  }
}
