/** Who asks, and everything that is theirs: nothing else of the data can be reached by a request of theirs. */
import type { Memory } from "@sennit/agent"
import * as Context from "effect/Context"
import type { Conversations } from "./Conversations.ts"
import type { EventHub } from "./EventHub.ts"
import type { Health } from "./Health.ts"
import type { Notes } from "./Notes.ts"
import type { OnDisk } from "./OnDisk.ts"
import type { Privacy } from "./Privacy.ts"

export class Person extends Context.Tag("@sennit/demo/Person")<Person, {
  readonly name: string
  readonly conversations: Context.Tag.Service<Conversations>
  readonly notes: Context.Tag.Service<Notes>
  readonly privacy: Context.Tag.Service<Privacy>
  readonly onDisk: Context.Tag.Service<OnDisk>
  readonly health: Context.Tag.Service<Health>
  readonly events: Context.Tag.Service<EventHub>
  /** What the assistant's tools remember. */
  readonly memory: Context.Tag.Service<Memory.Memory>
}>() {}
