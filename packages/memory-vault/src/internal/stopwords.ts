/**
 * English function words that a question contains whatever it asks for. They are dropped from queries only: a memory
 * keeps every term.
 *
 * @since 0.1.0
 */
export const stopwords: ReadonlySet<string> = new Set(
  `a about after again all also am an and any are as at be because been before being both but by can could d did do
  does doing don during each few for from further had has have having he her here hers him his how i if in into is it
  its itself just ll m me might more most must my no nor not of off on once only or other our out over own re s same
  shall she should so some such t than that the their them then there these they this those through to too under until
  up us ve very was we were what when where which while who whom whose why will with would you your yours`.split(/\s+/)
)
