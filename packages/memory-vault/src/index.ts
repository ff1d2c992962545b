/**
 * @since 0.1.0
 */
export * as Cipher from "./Cipher.ts"

/**
 * @since 0.1.0
 */
export * as Compressor from "./Compressor.ts"

/**
 * @since 0.1.0
 */
export * as Embedder from "./Embedder.ts"

/**
 * @since 0.1.0
 */
export * as Memory from "./Memory.ts"

/**
 * @since 0.1.0
 */
export * as MemoryClassifier from "./MemoryClassifier.ts"

/**
 * @since 0.1.0
 */
export * as MemoryRedactor from "./MemoryRedactor.ts"

/**
 * @since 0.1.0
 */
export * as MemoryScope from "./MemoryScope.ts"

/**
 * @since 0.1.0
 */
export * as MemoryVault from "./MemoryVault.ts"

/**
 * @since 0.1.0
 */
export * as MemoryVaultConfig from "./MemoryVaultConfig.ts"

/**
 * @since 0.1.0
 */
export * as MemoryVaultError from "./MemoryVaultError.ts"

/**
 * @since 0.1.0
 */
export * as OpenAiCompatibleEmbedder from "./OpenAiCompatibleEmbedder.ts"

/**
 * @since 0.1.0
 */
export * as Portable from "./Portable.ts"

/**
 * @since 0.1.0
 */
export * as PromptBlock from "./PromptBlock.ts"

/**
 * @since 0.1.0
 */
export * as Reranker from "./Reranker.ts"

/**
 * @since 0.1.0
 */
export * as StaticEmbedder from "./StaticEmbedder.ts"

/**
 * @since 0.1.0
 */
export * as Telemetry from "./Telemetry.ts"

/**
 * @since 0.1.0
 */
export * as TokenCounter from "./TokenCounter.ts"
