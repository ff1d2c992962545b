/** The pictures of docs/guides: made here with SENNIT_UPDATE_PICTURES=1, and otherwise compared with what a reader sees now. */
import * as Effect from "effect/Effect"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import path from "node:path"
import type { Page } from "playwright-core"

const folder = path.resolve(import.meta.dirname, "../../../../docs/guides/pictures")
const isUpdate = process.env["SENNIT_UPDATE_PICTURES"] === "1"

/** The part of the dots that differ much; 1 for pictures of other sizes. Runs in the page, which draws them. */
const difference = async ([one, other]: readonly [string, string]): Promise<number> => {
  // Only what is in this function is known to the page.
  // oxlint-disable-next-line unicorn/consistent-function-scoping
  const read = async (base64: string) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.codePointAt(0) ?? 0)
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }))
    const canvas = new OffscreenCanvas(image.width, image.height)
    const context = canvas.getContext("2d")!
    context.drawImage(image, 0, 0)
    return context.getImageData(0, 0, image.width, image.height)
  }
  const [before, now] = await Promise.all([read(one), read(other)])
  if (before.width !== now.width || before.height !== now.height) return 1
  let different = 0
  for (let at = 0; at < before.data.length; at += 4) {
    const far = [0, 1, 2].some((part) => Math.abs((before.data[at + part] ?? 0) - (now.data[at + part] ?? 0)) > 64)
    if (far) different++
  }
  return different / (before.data.length / 4)
}

/** How much of the guide's picture is not what the page shows now, from 0 to 1: times and durations always differ. */
export const picture = (page: Page, name: string): Effect.Effect<number> =>
  Effect.promise(async () => {
    const file = path.join(folder, `${name}.png`)
    const now = await page.screenshot({ animations: "disabled", caret: "hide" })
    if (isUpdate) {
      await mkdir(folder, { recursive: true })
      await writeFile(file, now)
      return 0
    }
    const before = await readFile(file)
    return page.evaluate(difference, [before.toString("base64"), now.toString("base64")] as const)
  })
