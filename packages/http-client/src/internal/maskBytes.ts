// the key of the frame at hand, as bytes and as the word that they are in memory
const keyBytes = new Uint8Array(4)
const keyWord = new Uint32Array(keyBytes.buffer)

/**
 * XOR `bytes` from `start` to `end` with a mask of four bytes, a word at a time. `words` are the same memory as `bytes`,
 * which start at a multiple of four; the range may start anywhere.
 *
 * @internal
 */
export const maskBytes = (
  bytes: Uint8Array,
  words: Uint32Array,
  start: number,
  end: number,
  mask: Uint8Array,
  maskAt: number
): void => {
  let at = start
  while (at < end && (at & 3) !== 0) {
    bytes[at] = (bytes[at] ?? 0) ^ (mask[maskAt + ((at - start) & 3)] ?? 0)
    at++
  }
  for (let i = 0; i < 4; i++) keyBytes[i] = mask[maskAt + ((at - start + i) & 3)] ?? 0
  const key = keyWord[0] ?? 0
  const lastWord = Math.max(at, end & ~3) >>> 2
  let word = at >>> 2
  for (; word + 4 <= lastWord; word += 4) {
    words[word] = (words[word] ?? 0) ^ key
    words[word + 1] = (words[word + 1] ?? 0) ^ key
    words[word + 2] = (words[word + 2] ?? 0) ^ key
    words[word + 3] = (words[word + 3] ?? 0) ^ key
  }
  for (; word < lastWord; word++) words[word] = (words[word] ?? 0) ^ key
  for (at = Math.max(at, word << 2); at < end; at++) bytes[at] = (bytes[at] ?? 0) ^ (keyBytes[at & 3] ?? 0)
}
