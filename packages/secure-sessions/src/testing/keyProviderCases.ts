import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { isEqual } from "../internal/deriveKey.ts"
import type { EncryptionContext } from "../KeyProvider.ts"
import { identify, KeyProvider } from "../KeyProvider.ts"
import { expect, failureOf } from "./expectPromise.ts"
import type { ContractCase } from "./index.ts"

const owner = { app: "contract", user: "ada" }

const generate = Effect.gen(function*() {
  const provider = yield* KeyProvider
  const { plaintext, wrapped } = yield* provider.generateDataKey(owner)
  const bytes = Redacted.value(plaintext)
  return { provider, bytes, wrapped, context: { ...owner, ...identify(bytes) } }
})

const flip = (bytes: Uint8Array, at: number) => {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

const refuses = (
  name: string,
  change: (context: EncryptionContext) => EncryptionContext
): ContractCase<KeyProvider> => ({
  name,
  run: Effect.gen(function*() {
    const { context, provider, wrapped } = yield* generate
    const error = yield* failureOf(name, provider.unwrap(wrapped, change(context)))
    yield* expect(`${name}, as AuthenticationFailed`, error.reason === "AuthenticationFailed" && !error.retryable)
  })
})

/** @internal */
export const keyProviderCases: ReadonlyArray<ContractCase<KeyProvider>> = [
  {
    name: "a data key is 32 bytes and unwraps to itself",
    run: Effect.gen(function*() {
      const { bytes, context, provider, wrapped } = yield* generate
      const again = Redacted.value(yield* provider.unwrap(wrapped, context))
      yield* expect("a data key has 32 bytes", bytes.length === 32)
      yield* expect("a data key unwraps to itself", isEqual(bytes, again))
    })
  },
  {
    name: "no two data keys and no two wrappings are alike",
    run: Effect.gen(function*() {
      const [first, second] = [yield* generate, yield* generate]
      yield* expect("data keys are random", !isEqual(first.bytes, second.bytes))
      yield* expect("wrappings differ", !isEqual(first.wrapped.bytes, second.wrapped.bytes))
    })
  },
  {
    name: "a wrapped key does not contain the data key and names the primary key",
    run: Effect.gen(function*() {
      const { bytes, provider, wrapped } = yield* generate
      yield* expect("the data key is not readable", !Buffer.from(wrapped.bytes).includes(Buffer.from(bytes)))
      yield* expect("new keys are wrapped by the primary key", wrapped.kekId === (yield* provider.primary).id)
    })
  },
  {
    name: "a data key that is wrapped again, or wrapped from outside, is under the primary key and unwraps to itself",
    run: Effect.gen(function*() {
      const { bytes, context, provider, wrapped } = yield* generate
      const primary = yield* provider.primary
      const again = [
        yield* provider.rewrap(wrapped, context),
        yield* provider.wrap(Redacted.make(Uint8Array.from(bytes)), context)
      ]
      for (const other of again) {
        const unwrapped = Redacted.value(yield* provider.unwrap(other, context))
        yield* expect("the data key stays the same", isEqual(bytes, unwrapped))
        yield* expect("it is under the primary key", other.kekId === primary.id)
        yield* expect("the wrapping is a new one", !isEqual(other.bytes, wrapped.bytes))
      }
    })
  },
  {
    name: "a wrapping of another user is not wrapped again",
    run: Effect.gen(function*() {
      const { context, provider, wrapped } = yield* generate
      const promise = "rewrap asks for the owner"
      const error = yield* failureOf(promise, provider.rewrap(wrapped, { ...context, user: "eve" }))
      yield* expect(`${promise}, as AuthenticationFailed`, error.reason === "AuthenticationFailed" && !error.retryable)
    })
  },
  refuses("another user cannot unwrap", (context) => ({ ...context, user: "eve" })),
  refuses("another app cannot unwrap", (context) => ({ ...context, app: "elsewhere" })),
  refuses("app and user are not interchangeable", ({ app, user, ...rest }) => ({ ...rest, app: user, user: app })),
  {
    name: "every altered byte of a wrapped key is refused",
    run: Effect.gen(function*() {
      const { context, provider, wrapped } = yield* generate
      for (let at = 0; at < wrapped.bytes.length; at++) {
        const altered = { ...wrapped, bytes: flip(wrapped.bytes, at) }
        yield* failureOf(`byte ${at} of a wrapped key is authenticated`, provider.unwrap(altered, context))
      }
    })
  },
  {
    name: "every cut wrapped key is refused",
    run: Effect.gen(function*() {
      const { context, provider, wrapped } = yield* generate
      for (let length = 0; length < wrapped.bytes.length; length++) {
        const cut = { ...wrapped, bytes: wrapped.bytes.subarray(0, length) }
        yield* failureOf(`a wrapped key of ${length} bytes is refused`, provider.unwrap(cut, context))
      }
    })
  }
]
