/** A driver that keeps a digest with what is written whole, and holds what is read whole against it. */
import * as Effect from "effect/Effect"
import * as Driver from "../Driver.ts"
import type { Digest } from "../Entry.ts"
import type { Key } from "../StorePath.ts"
import { digestOf, startDigest } from "./makeDigest.ts"

const digestName = "sennit-sha256"

/** @internal */
export const verifyDriver = (driver: Driver.Driver): Driver.Driver => {
  const { getAll, put } = driver
  const look = (key: Key, options: Driver.GetOptions) =>
    Effect.map(driver.stat(key), (node) => {
      const hex = node._tag === "Object" ? node.attributes.metadata[digestName] : undefined
      if (node._tag === "Folder" || hex === undefined) return { digest: undefined, options }
      // The digest is this version's: another one must not be held against it.
      const pin = driver.capabilities.has("readIfMatch") ? node.version.etag : undefined
      return { digest: { algorithm: "sha256", hex } as const, options: { ...options, ifMatch: options.ifMatch ?? pin } }
    })
  return {
    ...driver,
    stat: (key) => Effect.map(driver.stat(key), withoutDigest),
    get: (key, options) => {
      if (options.range !== undefined) return driver.get(key, options)
      return Effect.flatMap(
        look(key, options),
        ({ digest, options: pinned }) =>
          Effect.map(driver.get(key, pinned), (object) => digest === undefined ? object : checked(object, digest))
      )
    },
    ...(getAll === undefined ? {} : {
      getAll: (key: Key, options: Driver.GetOptions) => {
        if (options.range !== undefined) return getAll(key, options)
        return Effect.flatMap(
          look(key, options),
          ({ digest, options: pinned }) =>
            Effect.tap(
              getAll(key, pinned),
              (bytes) => digest === undefined ? Effect.void : compare(digest, digestOf("sha256", bytes))
            )
        )
      }
    }),
    ...(put === undefined ? {} : {
      put: <X, R>(...[key, body, options]: Parameters<typeof put<X, R>>) => {
        if (!(body instanceof Uint8Array)) return put(key, body, options)
        const metadata = { ...options.attributes.metadata, [digestName]: digestOf("sha256", body).hex }
        return put(key, body, { ...options, attributes: { ...options.attributes, metadata } })
      }
    })
  }
}

const withoutDigest = (node: Driver.Node): Driver.Node => {
  if (node._tag === "Folder" || !(digestName in node.attributes.metadata)) return node
  const { [digestName]: _, ...metadata } = node.attributes.metadata
  return { ...node, attributes: { ...node.attributes, metadata } }
}

const compare = (expected: Digest, actual: Digest): Effect.Effect<void, Driver.Failure> =>
  expected.hex === actual.hex ? Effect.void : Effect.fail(Driver.refuse({
    _tag: "IntegrityMismatch",
    expected: `sha256:${expected.hex}`,
    actual: `sha256:${actual.hex}`
  }))

const checked = (object: Driver.OpenObject, digest: Digest): Driver.OpenObject => {
  const hash = startDigest("sha256")
  return {
    ...object,
    pull: Effect.tap(object.pull, (bytes) => {
      if (bytes === undefined) return compare(digest, { algorithm: "sha256", hex: hash.digest("hex") })
      hash.update(bytes)
      return Effect.void
    })
  }
}
