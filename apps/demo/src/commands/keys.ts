/** `keys status` and `keys rotate`. */
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { KeyStatus } from "../Api.ts"
import { Desk } from "../Desk.ts"
import { there } from "../Place.ts"
import { asJson, toText } from "./output.ts"

const describeKey = ({ createdAt, dataKeys, destroyed, id, isKnown, isPrimary }: KeyStatus["keys"][number]) =>
  [
    `${isPrimary ? "*" : " "} ${id}`,
    createdAt === null ? "made before this was recorded" : `made ${DateTime.formatIso(DateTime.unsafeMake(createdAt))}`,
    `${dataKeys} data keys under it`,
    ...(destroyed === 0 ? [] : [`${destroyed} destroyed`]),
    ...(isKnown ? [] : ["NOT AVAILABLE: what is under it cannot be opened"])
  ].join(", ")

const describe = (status: KeyStatus) =>
  [
    status.source,
    ...status.keys.map(describeKey),
    `${status.records} encrypted records`,
    ...(status.canRotate && status.keys.filter(({ isKnown }) => isKnown).length > 1
      ? ["A change of keys was stopped. Everything can be read; run `keys rotate` to complete it."]
      : [])
  ].join("\n")

const status = Command.make(
  "status",
  { json: asJson },
  ({ json }) =>
    there("everyone", Effect.flatMap(Desk, ({ api }) => api.keys.status())).pipe(
      Effect.flatMap((found) => Console.log(json ? toText(found) : describe(found)))
    )
).pipe(Command.withDescription("Which keys there are and what is under them"))

const rotate = Command.make(
  "rotate",
  { json: asJson },
  ({ json }) =>
    there("everyone", Effect.flatMap(Desk, ({ api }) => api.keys.rotate())).pipe(
      Effect.flatMap((found) => Console.log(json ? toText(found) : `The key was changed.\n${describe(found)}`))
    )
).pipe(
  Command.withDescription("Put a new key in the place of the present one; also completes a change that was stopped")
)

export const keys = Command.make("keys").pipe(
  Command.withDescription("The key that protects the conversations"),
  Command.withSubcommands([status, rotate])
)
