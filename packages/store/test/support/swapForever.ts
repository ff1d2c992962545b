// @effect-diagnostics nodeBuiltinImport:off the attacker works on the disk itself
/** Swaps the folder `d` of a store for a link to another folder and back, until it is killed; tells every thousandth. */
import * as Fs from "node:fs"

const [root = "", outside = ""] = process.argv.slice(2)

const attempt = (step: () => void) => {
  try {
    step()
  } catch {
    // The store makes and prunes the same folder meanwhile.
  }
}

process.stdout.write("ready\n")
for (let swaps = 1;; swaps++) {
  if (swaps % 1000 === 0) process.stdout.write(`${swaps}\n`)
  attempt(() => Fs.rmSync(`${root}/held`, { recursive: true, force: true }))
  attempt(() => Fs.renameSync(`${root}/d`, `${root}/held`))
  attempt(() => Fs.symlinkSync(outside, `${root}/d`))
  attempt(() => Fs.unlinkSync(`${root}/d`))
  attempt(() => Fs.renameSync(`${root}/held`, `${root}/d`))
}
