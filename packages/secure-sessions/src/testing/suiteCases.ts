import * as Effect from "effect/Effect"
import { isEqual, random } from "../internal/deriveKey.ts"
import type { Suite } from "../Suite.ts"
import { expect } from "./expectPromise.ts"
import type { ContractCase } from "./index.ts"

const sizes = [0, 1, 15, 16, 17, 1000, 70_000]

const flip = (bytes: Uint8Array, bit: number) => {
  const copy = Uint8Array.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

const draw = (suite: Suite, size: number) => ({
  key: random(suite.keyLength),
  nonce: random(suite.nonceLength),
  aad: random(40),
  plaintext: random(size)
})

const refusals = (suite: Suite): ReadonlyArray<ContractCase<never>> => {
  const { aad, key, nonce, plaintext } = draw(suite, 50)
  const opens = (changed: Partial<Record<"key" | "nonce" | "aad" | "ciphertext" | "tag", Uint8Array>>) => {
    const sealed = suite.seal(key, nonce, aad, plaintext)
    const all = { key, nonce, aad, ...sealed, ...changed }
    return suite.open(all.key, all.nonce, all.aad, all.ciphertext, all.tag) !== undefined
  }
  const parts = ["key", "nonce", "aad", "ciphertext", "tag"] as const
  return [
    ...parts.map((part): ContractCase<never> => ({
      name: `${suite.name}: every flipped bit of the ${part} is refused`,
      run: Effect.gen(function*() {
        const value = { key, nonce, aad, ...suite.seal(key, nonce, aad, plaintext) }[part]
        for (let bit = 0; bit < value.length * 8; bit++) {
          yield* expect(`bit ${bit} of the ${part} is authenticated`, !opens({ [part]: flip(value, bit) }))
        }
      })
    })),
    {
      name: `${suite.name}: a shorter tag, a shorter ciphertext and other additional data are refused`,
      run: Effect.gen(function*() {
        const { ciphertext, tag } = suite.seal(key, nonce, aad, plaintext)
        for (let length = 0; length < tag.length; length++) {
          yield* expect(`a tag of ${length} bytes is refused`, !opens({ tag: tag.subarray(0, length) }))
        }
        for (let length = 0; length < ciphertext.length; length++) {
          yield* expect("a cut ciphertext is refused", !opens({ ciphertext: ciphertext.subarray(0, length) }))
        }
        yield* expect("cut additional data are refused", !opens({ aad: aad.subarray(1) }))
        yield* expect("no additional data are refused", !opens({ aad: new Uint8Array(0) }))
      })
    }
  ]
}

/** @internal */
export const suiteCases = (suite: Suite): ReadonlyArray<ContractCase<never>> => [
  {
    name: `${suite.name}: what is sealed opens, whatever its size, and the tag has 16 bytes`,
    run: Effect.forEach(sizes, (size) => {
      const { aad, key, nonce, plaintext } = draw(suite, size)
      const { ciphertext, tag } = suite.seal(key, nonce, aad, plaintext)
      const opened = suite.open(key, nonce, aad, ciphertext, tag)
      return Effect.all([
        expect("a tag has 16 bytes", tag.length === 16),
        expect("a ciphertext is as long as its plaintext", ciphertext.length === size),
        expect(`${size} bytes come back`, opened !== undefined && isEqual(opened, plaintext))
      ], { discard: true })
    }, { discard: true })
  },
  {
    name: `${suite.name}: what it is given stays as it was`,
    run: Effect.suspend(() => {
      const given = draw(suite, 100)
      const before = Object.values(given).map((bytes) => Uint8Array.from(bytes))
      const { ciphertext, tag } = suite.seal(given.key, given.nonce, given.aad, given.plaintext)
      suite.open(given.key, given.nonce, given.aad, ciphertext, tag)
      const after = Object.values(given)
      return expect("inputs are not written to", before.every((bytes, at) => isEqual(bytes, after[at]!)))
    })
  },
  {
    name: `${suite.name}: a plaintext does not show in its ciphertext`,
    run: Effect.suspend(() => {
      const { aad, key, nonce, plaintext } = draw(suite, 32)
      const { ciphertext, tag } = suite.seal(key, nonce, aad, plaintext)
      return expect("the plaintext is encrypted", !Buffer.concat([ciphertext, tag]).includes(plaintext))
    })
  },
  ...refusals(suite)
]
