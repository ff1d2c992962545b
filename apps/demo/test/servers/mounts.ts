/** Data folders that a system gives no room, or does not let be written: mounts that only the demo sees, gone with it. */
import { spawnSync } from "node:child_process"
import process from "node:process"

const flags = process.getuid?.() === 0 ? ["--mount"] : ["--map-root-user", "--mount"]

/** Runs a command after some mounts, in a namespace of its own. */
const after = (mounts: string, folder: string) => [
  "unshare",
  ...flags,
  "--propagation",
  "private",
  "sh",
  "-ec",
  `${mounts}; shift; exec "$@"`,
  "sh",
  folder
]

/** The folder is an empty disk of so many megabytes. */
export const smallDisk = (folder: string, megabytes: number) =>
  after(`mount -t tmpfs -o size=${megabytes}m small "$1"`, folder)

/** The folder is a disk without room for one block. */
export const fullDisk = (folder: string) =>
  after("mount -t tmpfs -o size=1m full \"$1\"; dd if=/dev/zero of=\"$1/fill\" bs=4096 2>/dev/null || true", folder)

/** The folder is what it is, and cannot be written. */
export const readOnly = (folder: string) => after("mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"", folder)

/** The folder as the demo with this process id sees it. */
export const seenBy = (pid: number, folder: string) => `/proc/${pid}/root${folder}`

const [program = "", ...args] = [...after("mount -t tmpfs -o size=1m small \"$1\"", "/mnt"), "true"]
const { status } = spawnSync(program, args, { stdio: "ignore" })

if (status !== 0 && process.env["SENNIT_REQUIRE_SERVERS"] === "1") {
  throw new Error("SENNIT_REQUIRE_SERVERS is set, and this system allows no mounts")
}

/** Why there are no mounts, or undefined when there are. */
export const missingMounts = status === 0
  ? undefined
  : " (mounts are not allowed here: run as root, or allow user namespaces)"
