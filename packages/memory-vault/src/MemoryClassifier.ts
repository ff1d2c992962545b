/**
 * Decides the type of a memory whose saver gave no hint.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { MemoryType } from "./Memory.ts"

/**
 * A rule: texts that it matches are of its type.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClassifierRule {
  readonly type: MemoryType
  readonly matches: (text: string) => boolean
}

/**
 * English wishes and standing orders, then what holds just now, then what is so. What no rule matches is episodic.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRules: ReadonlyArray<ClassifierRule> = [
  {
    type: "procedural",
    matches: matcher(
      /\b(?:i(?:'d| would)? (?:always |really |strongly )?(?:prefer|(?:dis)?like it when|want you to|need you to)|my preference|from now on|(?:please |always |never )+(?:use|reply|answer|respond|write|call|avoid|keep|include|format|explain|ask)|(?:do not|don't) (?:ever )?(?:use|call|reply|answer|respond|write|include|ask))\b/i
    )
  },
  {
    type: "working",
    matches: matcher(
      /\b(?:right now|at the moment|currently|for now|just now|(?:to do|todo) (?:today|now)|(?:i am|i'm|we are|we're) (?:now )?(?:working on|debugging|looking at|trying to)|(?:my|the|our) (?:current|next) (?:task|step|goal|file))\b/i
    )
  },
  {
    type: "semantic",
    matches: matcher(
      /(?:\b(?:my|our|his|her|their|the|[A-Z][\p{L}'’-]*)(?: [\p{L}'’-]+){0,3}|\b(?:i|we|he|she|they)) (?:am|is|are|has|have|uses?|works? (?:as|at|for|in)|lives? in|speaks?|owns?|likes?|loves?|hates?|knows?|means?|costs?|runs? on|supports?|depends? on)\b/iu
    )
  }
]

function matcher(pattern: RegExp): (text: string) => boolean {
  return (text) => pattern.test(text)
}

/**
 * The rules in order; the first that matches decides.
 *
 * @since 0.1.0
 * @category references
 */
export class MemoryClassifier extends Context.Reference<MemoryClassifier>()(
  "@sennit/memory-vault/MemoryClassifier",
  { defaultValue: () => defaultRules }
) {}

/**
 * Puts your rules before the default ones; provide it to a vault's layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (rules: ReadonlyArray<ClassifierRule>): Layer.Layer<never> =>
  Layer.succeed(MemoryClassifier, [...rules, ...defaultRules])
