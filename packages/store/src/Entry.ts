/**
 * What a store says about the things that it holds.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Option from "effect/Option"
import type { Key } from "./StorePath.ts"

/**
 * What the backend knows of one version of an object.
 *
 * @since 0.1.0
 * @category models
 */
export interface Version {
  /** Length in bytes. */
  readonly size: number
  /** Changes whenever the object is written; opaque. */
  readonly etag: string
  readonly modifiedAt: DateTime.Utc
}

/**
 * An object as a write left it.
 *
 * @since 0.1.0
 * @category models
 */
export interface WriteResult extends Version {
  readonly key: Key
}

/**
 * What the caller gave to be kept with an object.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attributes {
  readonly contentType: Option.Option<string>
  readonly metadata: { readonly [name: string]: string }
}

/**
 * An object with all that is known of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ObjectInfo extends WriteResult, Attributes {}

/**
 * An object in a listing.
 *
 * @since 0.1.0
 * @category models
 */
export interface ObjectEntry extends WriteResult {
  readonly _tag: "Object"
}

/**
 * A folder in a listing: the shared prefix of the objects below it.
 *
 * @since 0.1.0
 * @category models
 */
export interface FolderEntry {
  readonly _tag: "Folder"
  readonly key: Key
}

/**
 * One entry of a listing.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = ObjectEntry | FolderEntry
