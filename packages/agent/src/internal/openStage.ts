import * as Effect from "effect/Effect"
import type { Stage } from "../AgentTool.ts"
import type { Attachment } from "../Message.ts"
import type { Unstamped } from "./tellEvents.ts"

/** What a stage tells its run. */
interface Teller {
  readonly emit: (events: ReadonlyArray<Unstamped>) => Effect.Effect<void>
  readonly emitNow: (events: ReadonlyArray<Unstamped>) => void
  readonly nextStage: () => number
}

/** @internal A stage of a run: that of a call, or one inside it. */
export class CallStage implements Stage {
  constructor(private readonly id: string, private readonly run: Teller) {}

  append(text: string): Effect.Effect<void> {
    return this.run.emit([{ _tag: "StageAppended", stageId: this.id, text }])
  }

  attach(attachment: Attachment): Effect.Effect<void> {
    return this.run.emit([{ _tag: "AttachmentAdded", stageId: this.id, attachment }])
  }

  within<A, E, R>(name: string, work: (stage: Stage) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const stageId = `${this.id}.${this.run.nextStage()}`
      return Effect.acquireUseRelease(
        this.run.emit([{ _tag: "StageOpened", stageId, parentId: this.id, name }]),
        () => work(new CallStage(stageId, this.run)),
        (_, exit) =>
          Effect.sync(() =>
            this.run.emitNow([{
              _tag: "StageClosed",
              stageId,
              status: exit._tag === "Success" ? "completed" : "failed"
            }])
          )
      )
    })
  }
}
