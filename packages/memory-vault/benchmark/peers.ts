// @effect-diagnostics asyncFunction:off globalConsole:off a benchmark is a plain program
/** The few functions of the peers that are used, and guards in place of their types. */

export interface Statement {
  readonly run: (...parameters: ReadonlyArray<string>) => unknown
  readonly all: (...parameters: ReadonlyArray<string>) => ReadonlyArray<unknown>
}

export interface Database {
  readonly prepare: (sql: string) => Statement
  readonly exec: (sql: string) => unknown
  readonly pragma: (pragma: string) => unknown
  readonly close: () => unknown
}

export interface SearchIndex {
  readonly addAll: (documents: ReadonlyArray<{ readonly id: string; readonly text: string }>) => void
  readonly search: (query: string) => ReadonlyArray<{ readonly id: string }>
}

const hasDefaultClass = <A, O>(module: unknown): module is { readonly default: new(options: O) => A } =>
  typeof module === "object" && module !== null && "default" in module && typeof module.default === "function"

/** By a name that the compiler does not look up: the peers are installed for a benchmark only. */
const importPeer = (name: string): Promise<unknown> => import(name)

const load = async <A, O>(name: string, options: O): Promise<A> => {
  const module = await importPeer(name)
  if (!hasDefaultClass<A, O>(module)) throw new Error(`${name} has no default class`)
  return new module.default(options)
}

/** The SQLite library that the vault itself runs on. */
export const openDatabase = async (filename: string): Promise<Database> => {
  const database = await load<Database, string>("better-sqlite3", filename)
  database.pragma("journal_mode = WAL")
  database.pragma("synchronous = NORMAL")
  return database
}

/** minisearch with BM25+ over one field; its own tokenizer and lower-casing, as its documentation sets up a search. */
export const openSearch = (processTerm: (term: string) => string | null): Promise<SearchIndex> =>
  load<SearchIndex, object>("minisearch", { fields: ["text"], processTerm, searchOptions: { combineWith: "OR" } })

const stop = new Set(
  (
    "a about after all also am an and any are as at be because been before but by can could d did do does doing for from " +
    "had has have having he her hers him his how i if in into is it its just ll m me might more most must my no nor not " +
    "of off on only or other our out over own re s she should so some such t than that the their them then there these " +
    "they this those through to too under until up us ve very was we were what when where which while who whom whose " +
    "why will with would you your"
  ).split(" ")
)

export const isStopWord = (word: string): boolean => stop.has(word)

/** A question as an FTS5 expression: content words, any of them. */
export const matchExpression = (question: string): string =>
  (question.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
    .filter((word) => !stop.has(word))
    .map((word) => `"${word}"`)
    .join(" OR ")

/** What is used of mem0's open source memory. */
export interface Mem0 {
  readonly add: (
    messages: string | ReadonlyArray<{ readonly role: string; readonly content: string }>,
    options: { readonly userId: string; readonly infer: boolean }
  ) => Promise<{ readonly results: ReadonlyArray<unknown> }>
  readonly search: (
    query: string,
    options: { readonly filters: { readonly user_id: string }; readonly topK: number }
  ) => Promise<{ readonly results: ReadonlyArray<unknown> }>
}

const hasMemory = (module: unknown): module is { readonly Memory: new(options: object) => Mem0 } =>
  typeof module === "object" && module !== null && "Memory" in module && typeof module.Memory === "function"

export const loadMem0 = async (options: object): Promise<Mem0> => {
  // It reports its use to a server of its own unless told not to.
  process.env["MEM0_TELEMETRY"] = "false"
  const module = await importPeer("mem0ai/oss")
  if (!hasMemory(module)) throw new Error("mem0ai/oss has no Memory")
  return new module.Memory(options)
}
