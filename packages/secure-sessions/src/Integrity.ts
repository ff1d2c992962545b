/**
 * What `SessionService.verify` answers and accepts. How events are chained is written in `envelope-spec.md`.
 *
 * @since 0.1.0
 */

/**
 * A history that was found whole. Kept elsewhere, it is a checkpoint: `verify` with `since` also notices when the
 * session is put back to a time before it.
 *
 * @category models
 * @since 0.1.0
 */
export interface IntegrityReport {
  readonly revision: number
  readonly eventCount: number
  /** Events that were written before histories were chained; each is authentic at its place, and no more is known. */
  readonly unchained: number
  /** The last link of the chain in hexadecimal, empty when nothing is chained. Not secret. */
  readonly link: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface VerifyOptions {
  /** An earlier report of the same session, kept where whoever writes the database cannot reach it. */
  readonly since?: IntegrityReport | undefined
}
