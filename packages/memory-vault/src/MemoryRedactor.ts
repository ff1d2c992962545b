/**
 * Takes out of a text what must not be remembered, before it is stored, indexed or typed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/**
 * The redaction in force: every text of `save`, `update`, `procedural` and `working` goes through it. None by default.
 *
 * @since 0.1.0
 * @category services
 */
export class MemoryRedactor extends Context.Reference<MemoryRedactor>()("@sennit/memory-vault/MemoryRedactor", {
  defaultValue: () => ({ redact: (text: string): string => text })
}) {}

/**
 * Your own redaction; a pure function that never throws.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (redact: (text: string) => string): Layer.Layer<never> => Layer.succeed(MemoryRedactor, { redact })

const secrets: ReadonlyArray<RegExp> = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  // JSON Web Tokens: RFC 7519.
  /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+/g,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  /\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{22,}\b/g,
  /\b(?:sk|rk|pk)[-_](?:live[-_]|test[-_]|proj[-_]|ant[-_])?[A-Za-z0-9_-]{20,}/g,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g,
  // The credentials of RFC 6750 and RFC 7617.
  /(?<=\b(?:Bearer|Basic) )[A-Za-z0-9._~+/-]{16,}=*/g,
  /(?<=\b(?:password|passphrase|passwd|api[ _-]?key|secret|token)(?: is)?["']?\s*[:=]\s*["']?)[^\s"']{4,}/gi
]

/**
 * Replaces private keys, tokens of well-known shapes and what is assigned to a password or key by `[redacted]`. A
 * secret of another shape stays.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSecrets: Layer.Layer<never> = layer((text) =>
  secrets.reduce((rest, pattern) => rest.replace(pattern, "[redacted]"), text)
)
