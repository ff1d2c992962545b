/** What commands have in common. */
import * as Options from "@effect/cli/Options"
import * as Option from "effect/Option"
import { isUserName } from "../DemoConfig.ts"

/** Whose conversations and memories; the person of SENNIT_USER without it. */
export const as = Options.text("as").pipe(
  Options.filterMap(
    (name) => isUserName(name) ? Option.some(name) : Option.none(),
    "a name has 1 to 64 letters, digits, dots, dashes and underscores"
  ),
  Options.optional,
  Options.withDescription("The person whose conversations these are")
)

export const asJson = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

export const toText = (value: unknown): string => JSON.stringify(value, undefined, 2)
