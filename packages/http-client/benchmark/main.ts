import * as Bodies from "./bodies.ts"
import type { Workload } from "./harness.ts"
import * as Requests from "./requests.ts"
import * as Sync from "./sync.ts"
import * as WebSockets from "./websocket.ts"

const workloads: ReadonlyArray<Workload> = [
  ...Requests.workloads,
  ...WebSockets.workloads,
  ...Bodies.workloads,
  ...Sync.workloads
]

export default workloads
