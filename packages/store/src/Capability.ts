/**
 * What a store can keep, as types and at run time.
 *
 * @since 0.1.0
 */

/**
 * The capabilities that an operation, or an option of one, can need.
 *
 * @since 0.1.0
 * @category models
 */
export type Capability =
  /** Objects can be read. */
  | "read"
  /** A part of an object can be read without reading the rest. */
  | "range"
  /** A read can demand a version. */
  | "readIfMatch"
  /** Objects can be written. */
  | "write"
  /** A reader sees the old object or the new one, never a part; a failed write leaves nothing. */
  | "atomicWrite"
  /** Of many writers that create one key, exactly one wins. */
  | "createIfAbsent"
  /** A write can demand the version that it replaces (compare and set). */
  | "replaceIfMatch"
  /** A write of equal bytes gives another etag too: who compares etags notices a change there and back. */
  | "freshEtags"
  /** An object and a folder never have one name, and nothing is below an object. */
  | "exclusiveNames"
  /** Content type and user metadata are kept. */
  | "metadata"
  /** Objects can be deleted. */
  | "delete"
  /** A delete can demand the version that it removes. */
  | "deleteIfMatch"
  /** Folders can be listed. */
  | "list"
  /** Objects can be moved. */
  | "move"
  /** Objects can be copied within the store. */
  | "copy"

/**
 * Every capability, in the order of the documentation.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<Capability> = [
  "read",
  "range",
  "readIfMatch",
  "write",
  "atomicWrite",
  "createIfAbsent",
  "replaceIfMatch",
  "freshEtags",
  "exclusiveNames",
  "metadata",
  "delete",
  "deleteIfMatch",
  "list",
  "move",
  "copy"
]

/**
 * How well a store keeps what it offers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quality {
  /** Who decides a compare-and-set: the backend for every client, or this opened store for its own calls. */
  readonly replaceIfMatch: "server" | "process" | "none"
  /** Whether a crash during a move can leave both names. `overwrite`: only moves in mode `overwrite` are atomic. */
  readonly atomicMove: "always" | "overwrite" | "never"
  /**
   * What a finished write survives: a power cut (`fsync`), whatever its server promises (`server`), or only the end of
   * this process (`none`).
   */
  readonly durability: "fsync" | "server" | "none"
}

/**
 * What backends offer as Markdown; the README holds this text for those of this package.
 *
 * @since 0.1.0
 * @category derivations
 */
export const matrix = (backends: { readonly [name: string]: Pick<ReadonlySet<Capability>, "has"> }): string =>
  [
    "| backend | offers |",
    "| --- | --- |",
    ...Object.entries(backends).map(([name, offered]) =>
      `| ${name} | ${all.filter((capability) => offered.has(capability)).map((one) => `\`${one}\``).join(", ")} |`
    )
  ].join("\n")
