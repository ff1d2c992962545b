/** All operations over the wire primitives of one backend. */
import type * as Driver from "../Driver.ts"
import type { Operations } from "../Operations.ts"
import type * as StorePath from "../StorePath.ts"
import { deleteObjects } from "./deleteObjects.ts"
import { makeKernel } from "./kernel.ts"
import { listObjects } from "./listObjects.ts"
import { lookAtObjects } from "./lookAtObjects.ts"
import { readObjects } from "./readObjects.ts"
import { transferObjects } from "./transferObjects.ts"
import { writeObjects } from "./writeObjects.ts"

/** @internal */
export const makeOperations = (driver: Driver.Driver, base: StorePath.Prefix): Operations => {
  const kernel = makeKernel(driver, base)
  return {
    ...readObjects(kernel),
    ...lookAtObjects(kernel),
    ...listObjects(kernel),
    ...writeObjects(kernel),
    ...deleteObjects(kernel),
    ...transferObjects(kernel)
  }
}
