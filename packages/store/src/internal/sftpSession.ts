// @effect-diagnostics nodeBuiltinImport:off handles and data are Buffers in ssh2
/** One SSH connection at a time, made when it is needed and again when it has broken. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Client, ConnectConfig, SFTPWrapper } from "ssh2"
import * as Driver from "../Driver.ts"
import { codeOf, explain } from "./explainFailure.ts"
import { makeVerifier } from "./sftpHostKey.ts"
import type { HostKey, Verifier } from "./sftpHostKey.ts"

/** @internal */
export interface SessionOptions {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly hostKey: HostKey
  readonly credential: Credential
  readonly connectTimeoutMillis: number
}

type Credential =
  | { readonly privateKey: Redacted.Redacted<string>; readonly passphrase?: Redacted.Redacted<string> }
  | { readonly password: Redacted.Redacted<string> }

/** What ssh2 calls: the error may carry the server's status code. */
type Callback<A> = (error: Error | null | undefined, value: A) => void

/** @internal What a server can do beyond version 3 of the protocol. */
export type Extension = "posix-rename" | "hardlink" | "fsync" | "copy-data" | "limits"

/** @internal A connection. What is opened through it ends with it. */
export interface Link {
  readonly offers: ReadonlySet<Extension>
  /** The greatest number of bytes that one request should carry. */
  readonly writeBytes: number
  readonly isAlive: () => boolean
  /** Sends a request as soon as the number of those under way allows. `done` is called once, whatever happens. */
  readonly send: <A>(
    request: (sftp: SFTPWrapper, callback: Callback<A>) => void,
    done: (answer: Either.Either<A, Driver.Failure>) => void
  ) => void
  readonly close: Effect.Effect<void>
}

/** @internal */
export interface Session {
  readonly link: Effect.Effect<Link, Driver.Failure>
}

/** Enough to fill a fast line, and a bound for what waits in memory to be sent. */
const requestsUnderWay = 64

/**
 * OpenSSH takes 255 KiB, which its packets of 32 KiB carry without a small rest. Of another server it is only certain
 * that it takes 32 KiB, and ssh2 sends a longer request piece after piece; so much goes in one packet, with its head.
 */
const negotiatedBytes = 255 * 1024
const certainBytes = 32_000

/** A peer that is silent for this long, three times, is taken for gone. */
const keepAliveMillis = 15_000

/** @internal */
export const makeSession = (
  options: SessionOptions
): Effect.Effect<Session, Driver.Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const ssh2 = yield* loadSsh2
    const turn = yield* Effect.makeSemaphore(1)
    let current: Link | undefined
    yield* Effect.addFinalizer(() => Effect.suspend(() => current === undefined ? Effect.void : current.close))
    const connectAnew = Effect.flatMap(
      makeVerifier(options.hostKey, options.host, options.port),
      (verifier) =>
        Effect.async<Link, Driver.Failure>((resume) => {
          const client = new ssh2.Client()
          connect(client, options, verifier, (outcome) => {
            if (outcome._tag === "Right") current = outcome.right
            resume(outcome)
          })
          return Effect.sync(() => client.destroy())
        })
    )
    const alive = (otherwise: Effect.Effect<Link, Driver.Failure>) =>
      Effect.suspend(() => current?.isAlive() === true ? Effect.succeed(current) : otherwise)
    return { link: alive(turn.withPermits(1)(alive(connectAnew))) }
  })

const loadSsh2 = Effect.tryPromise({
  try: () => import("ssh2"),
  catch: () =>
    explain(
      { _tag: "Unavailable", reason: "Misconfigured", retryable: false },
      "the package ssh2 is not installed; npm install ssh2"
    )
}).pipe(Effect.map((module) => module.default))

const connect = (
  client: Client,
  options: SessionOptions,
  verifier: Verifier,
  resume: (outcome: Either.Either<Link, Driver.Failure>) => void
): void => {
  let refusal: string | undefined
  const fail = (error: Error) => resume(Either.left(unconnected(error, refusal)))
  client.on("error", fail)
  client.on("close", () => fail(new Error("the server closed the connection")))
  // Requests are small and wait for each other: gathering them would cost 40 ms each.
  client.on("connect", () => client.setNoDelay(true))
  client.on("ready", () =>
    client.sftp((error, sftp) => {
      if (error !== undefined) {
        client.destroy()
        return fail(error)
      }
      resume(Either.right(makeLink(client, sftp)))
    }))
  try {
    client.connect(configOf(options, verifier, (why) => refusal = why))
  } catch (error) {
    // A key that cannot be read, before anything is sent.
    resume(Either.left(explain(
      { _tag: "Unavailable", reason: "Misconfigured", retryable: false },
      error instanceof Error ? error.message : "the options cannot be used"
    )))
  }
}

const configOf = (
  options: SessionOptions,
  { kinds, refusal }: Verifier,
  refuse: (why: string | undefined) => void
): ConnectConfig => {
  const { credential, host, port, username } = options
  return {
    host,
    port,
    username,
    readyTimeout: options.connectTimeoutMillis,
    keepaliveInterval: keepAliveMillis,
    algorithms: { serverHostKey: [...new Set([...kinds.flatMap(algorithmsOf), ...hostKeyAlgorithms])] },
    hostVerifier: (key: Buffer) => {
      const why = refusal(key)
      refuse(why)
      return why === undefined
    },
    ...("password" in credential
      ? { password: Redacted.value(credential.password) }
      : {
        privateKey: Redacted.value(credential.privateKey),
        ...(credential.passphrase === undefined ? {} : { passphrase: Redacted.value(credential.passphrase) })
      })
  }
}

const hostKeyAlgorithms = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256"
] as const

/** RFC 8332: a key of kind ssh-rsa signs with SHA-2. */
const algorithmsOf = (kind: string) =>
  hostKeyAlgorithms.filter((algorithm) => algorithm === kind || (kind === "ssh-rsa" && algorithm.startsWith("rsa-")))

const unconnected = (error: Error, refusal: string | undefined): Driver.Failure => {
  if (refusal !== undefined) return explain({ _tag: "Unavailable", reason: "Untrusted", retryable: false }, refusal)
  const level = "level" in error ? error.level : undefined
  if (level === "client-authentication") return explain({ _tag: "PermissionDenied" }, "the server refuses the login")
  const code = codeOf(error)
  return explain(
    { _tag: "Unavailable", reason: "Network", retryable: true },
    `cannot connect: ${code ?? error.message}`
  )
}

const disconnected = explain({ _tag: "Unavailable", reason: "Network", retryable: true }, "the connection has broken")

const makeLink = (client: Client, sftp: SFTPWrapper): Link => {
  let isAlive = true
  const underWay = new Set<() => void>()
  const waiting: Array<() => void> = []
  const start = <A>(
    request: (sftp: SFTPWrapper, callback: Callback<A>) => void,
    done: (answer: Either.Either<A, Driver.Failure>) => void
  ): void => {
    const settle = (answer: Either.Either<A, Driver.Failure>): void => {
      if (!underWay.delete(lose)) return
      done(answer)
      if (underWay.size < requestsUnderWay) waiting.shift()?.()
    }
    const lose = () => settle(Either.left(disconnected))
    underWay.add(lose)
    if (!isAlive) return lose()
    try {
      request(
        sftp,
        (error, value) =>
          settle(error === undefined || error === null ? Either.right(value) : Either.left(failureOf(error)))
      )
    } catch (error) {
      settle(Either.left(new Driver.Failure({ cause: error })))
    }
  }
  client.on("close", () => {
    isAlive = false
    for (const lose of underWay) lose()
    for (const begin of waiting.splice(0)) begin()
  })
  sftp.on("close", () => client.destroy())
  sftp.on("error", () => client.destroy())
  const offers = offersOf(sftp)
  return {
    offers,
    writeBytes: offers.has("limits") ? negotiatedBytes : certainBytes,
    isAlive: () => isAlive,
    send: (request, done) => {
      if (underWay.size < requestsUnderWay) start(request, done)
      else waiting.push(() => start(request, done))
    },
    close: Effect.async<void>((resume) => {
      if (!isAlive) return resume(Effect.void)
      client.once("close", () => resume(Effect.void))
      client.destroy()
    })
  }
}

/** What the server said when it was greeted; ssh2 has it, but tells it only by throwing when it is used. */
const offersOf = (sftp: SFTPWrapper): ReadonlySet<Extension> => {
  const offered: unknown = Reflect.get(sftp, "_extensions")
  const has = (name: string) => typeof offered === "object" && offered !== null && Reflect.get(offered, name) === "1"
  return new Set(extensions.filter((extension) => has(extension) || has(`${extension}@openssh.com`)))
}

const extensions: ReadonlyArray<Extension> = ["posix-rename", "hardlink", "fsync", "copy-data", "limits"]

/** The status codes of draft-ietf-secsh-filexfer-02, section 7. OpenSSH says 4, "Failure", of nearly everything. */
const conditions: { readonly [code: number]: Driver.Condition } = {
  2: { _tag: "NotFound" },
  3: { _tag: "PermissionDenied" },
  5: { _tag: "InvalidPath", reason: "NotRepresentable" },
  6: { _tag: "Unavailable", reason: "Network", retryable: true },
  7: { _tag: "Unavailable", reason: "Network", retryable: true },
  8: { _tag: "Unavailable", reason: "Protocol", retryable: false }
}

const failureOf = (error: Error): Driver.Failure => {
  const code = "code" in error && typeof error.code === "number" ? error.code : undefined
  if (code === undefined) return disconnected
  return explain(
    conditions[code] ?? { _tag: "Unavailable", reason: "Io", retryable: false },
    `the server answers status ${code}`
  )
}
