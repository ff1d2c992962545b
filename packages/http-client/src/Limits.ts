/**
 * Upper bounds on what a server may send, held while bytes arrive.
 *
 * @since 0.1.0
 */

/**
 * - `headerBytes`: one head, or one trailer section, with its line ends (16384)
 * - `headerCount`: fields of one head or trailer section (100)
 * - `informational`: 1xx responses before the final one (16)
 * - `chunkExtensionBytes`: all chunk extensions of one response (4096)
 * - `bodyBytes`: the body before decompression; no bound unless given
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly headerBytes: number
  readonly headerCount: number
  readonly informational: number
  readonly chunkExtensionBytes: number
  readonly bodyBytes: number
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaults: Limits = {
  headerBytes: 16_384,
  headerCount: 100,
  informational: 16,
  chunkExtensionBytes: 4096,
  bodyBytes: Number.POSITIVE_INFINITY
}
