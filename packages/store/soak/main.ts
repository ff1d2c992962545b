/** Long checks of the store: memory, descriptors, and what must hold however often it is tried. */
import { crash, symlinks } from "./disk.ts"
import { engines } from "./engines.ts"
import { large } from "./large.ts"
import { mixed } from "./mixed.ts"

export interface SoakOptions {
  readonly minutes: number
  readonly quick: boolean
}

export interface SoakResult {
  readonly ok: boolean
  readonly figures: ReadonlyArray<string>
}

interface SoakCheck {
  readonly id: string
  readonly run: (options: SoakOptions) => Promise<SoakResult>
}

const checks: ReadonlyArray<SoakCheck> = [
  { id: "mixed", run: mixed },
  { id: "large", run: large },
  { id: "symlinks", run: symlinks },
  { id: "crash", run: crash },
  { id: "engines", run: engines }
]

export default checks
