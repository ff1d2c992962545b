import type { WorkerStart } from "./startWorker.ts"

/** @internal */
export const serve = (start: WorkerStart): void => {
  start.port.close()
}
