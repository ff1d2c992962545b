/** What every command has in common: JSON for programs. */
import * as Options from "@effect/cli/Options"

export const asJson = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

export const toText = (value: unknown): string => JSON.stringify(value, undefined, 2)
