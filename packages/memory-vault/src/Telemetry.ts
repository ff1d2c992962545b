/**
 * Names of spans, metrics and attributes. No value ever names a person: scopes, sessions and texts stay out.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * @since 0.1.0
 * @category spans
 */
export const spans = {
  save: "MemoryVault.save",
  saveBatch: "MemoryVault.saveBatch",
  recall: "MemoryVault.recall",
  get: "MemoryVault.get",
  update: "MemoryVault.update",
  history: "MemoryVault.history",
  upsertProcedure: "MemoryVault.procedural.upsert",
  deleteProcedure: "MemoryVault.procedural.delete",
  setNote: "MemoryVault.working.set",
  getNote: "MemoryVault.working.get",
  import: "MemoryVault.import",
  compress: "MemoryVault.compress",
  jobStatus: "MemoryVault.jobs.status",
  awaitJob: "MemoryVault.jobs.await",
  cancelJob: "MemoryVault.jobs.cancel",
  summarySources: "MemoryVault.summaries.sources",
  endSession: "MemoryVault.session.end",
  stats: "MemoryVault.stats",
  page: "MemoryVault.page",
  forget: "MemoryVault.forget",
  forgetAll: "MemoryVault.forgetAll"
} as const

/**
 * Memories written, by `outcome`: `created` or `merged`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const saved: Metric.Metric.Counter<number> = Metric.counter("memory_vault_saved", {
  description: "memories written, by outcome",
  incremental: true
})

/**
 * Memories put into prompt blocks.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recalled: Metric.Metric.Counter<number> = Metric.counter("memory_vault_recalled", {
  description: "memories put into prompt blocks",
  incremental: true
})

/**
 * Memories removed by `forget` and `forgetAll`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const forgotten: Metric.Metric.Counter<number> = Metric.counter("memory_vault_forgotten", {
  description: "memories removed",
  incremental: true
})

/**
 * Indexes of scopes that had to be read from the database, whole or in part.
 *
 * @since 0.1.0
 * @category metrics
 */
export const indexLoads: Metric.Metric.Counter<number> = Metric.counter("memory_vault_index_loads", {
  description: "reads of a scope's index from the database, by extent",
  incremental: true
})
