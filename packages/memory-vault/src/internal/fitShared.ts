/**
 * Two lists in one prompt block: the first goes first but takes no more than its share of the budget.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { BudgetExceeded } from "../MemoryVaultError.ts"
import { fit } from "../PromptBlock.ts"
import type { FittedBlock, PromptFormat, PromptItem } from "../PromptBlock.ts"

interface FitOptions {
  readonly format: PromptFormat
  readonly tokenBudget: number
  readonly count: (text: string) => number
}

/** How many leading items fit; none where not even the empty block does. */
const countFitting = (items: ReadonlyArray<PromptItem>, options: FitOptions): number =>
  Either.match(fit(items, options), { onLeft: () => 0, onRight: (fitted) => fitted.items })

/**
 * While not all of the first list fits its share, the second has only what is beyond the share: so a larger budget adds
 * to the first without taking from the second.
 *
 * @since 0.1.0
 */
export const fitShared = (
  first: { readonly items: ReadonlyArray<PromptItem>; readonly share: number },
  rest: ReadonlyArray<PromptItem>,
  options: FitOptions
): Either.Either<FittedBlock & { readonly first: number }, BudgetExceeded> => {
  const reserved = Math.floor(first.share * options.tokenBudget)
  const leading = first.items.length === 0 ? 0 : countFitting(first.items, { ...options, tokenBudget: reserved })
  const room = leading === first.items.length
    ? rest.length
    : countFitting(rest, { ...options, tokenBudget: options.tokenBudget - reserved })
  return Either.map(
    fit([...first.items.slice(0, leading), ...rest.slice(0, room)], options),
    (fitted) => ({ ...fitted, first: Math.min(leading, fitted.items) })
  )
}
