/** Four processes that create the same keys in one store. */
import { expect } from "@effect/vitest"
import type { Azure, Local, S3, Sftp, Store } from "@sennit/store"
import { Effect } from "effect"
import type { Redacted } from "effect"
import { startWith } from "./disk.ts"

interface Backends {
  readonly local: Local.Options
  readonly sftp: Omit<Sftp.Options, "credential">
  readonly azure: Omit<Azure.Options, "credential">
  readonly s3: Omit<S3.Options, "credentials"> & { readonly accessKeyId: string }
}

/** A store as a process of its own opens it; its secret goes another way. */
export type Contested = {
  readonly [K in keyof Backends]: { readonly backend: K; readonly options: Backends[K]; readonly keys: number }
}[keyof Backends]

/** Of the four one wins each key, and its bytes are there whole. */
export const raceProcesses = (store: Store.StoreOf<"read">, contested: Contested, secret?: Redacted.Redacted<string>) =>
  Effect.gen(function*() {
    const names = ["p1", "p2", "p3", "p4"]
    const children = yield* Effect.forEach(
      names,
      (name) => startWith({ secret }, "createAll.ts", name, JSON.stringify(contested))
    )
    const won = yield* Effect.forEach(
      children,
      (child) =>
        Effect.promise(() =>
          child.stdout.setEncoding("utf8").toArray().then((text) => text.join("").split("\n").filter(Boolean))
        ),
      { concurrency: 4 }
    )
    expect(won.flat().length).toBe(contested.keys)
    expect(new Set(won.flat()).size).toBe(contested.keys)
    yield* Effect.forEach(
      names.flatMap((name, i) => (won[i] ?? []).map((key) => ({ key, name }))),
      ({ key, name }) => Effect.map(store.readText(key), (text) => expect(text).toBe(`${name} `.repeat(500))),
      { concurrency: 8, discard: true }
    )
  })
