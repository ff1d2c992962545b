/**
 * What a store says about the things that it holds.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Option from "effect/Option"
import type { Key, Prefix } from "./StorePath.ts"

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
 * @since 0.1.0
 * @category models
 */
export type DigestAlgorithm = "md5" | "sha1" | "sha256" | "sha512"

/**
 * A digest of an object's bytes, in lower-case hexadecimal digits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Digest {
  readonly algorithm: DigestAlgorithm
  readonly hex: string
}

/**
 * An object as a write left it.
 *
 * @since 0.1.0
 * @category models
 */
export interface WriteResult extends Version {
  readonly key: Key
  /** Of the bytes that were sent, where the write was asked for one. */
  readonly digest?: Digest
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

/**
 * What is in a folder, all the way down or to the depth that was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface FolderInfo {
  readonly key: Prefix
  readonly objects: number
  /** Of all these objects together, in bytes. */
  readonly size: number
  /** When the last of them was written; none where there is no object. */
  readonly modifiedAt: Option.Option<DateTime.Utc>
}
