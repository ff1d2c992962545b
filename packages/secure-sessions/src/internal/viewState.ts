/**
 * The state of a handle that appended: put together when somebody looks at it, so that an append costs its delta and
 * not the state.
 *
 * @internal
 */
import type { Json, Session, State } from "../Session.ts"

/** So many changes are carried along at most; each of them is copied once per append. */
const maxChanges = 64

class StateView {
  #state: State
  #changes: ReadonlyMap<string, Json | undefined>

  constructor(state: State, changes: ReadonlyMap<string, Json | undefined>) {
    this.#state = state
    this.#changes = changes
  }

  get state(): State {
    if (this.#changes.size > 0) {
      const entries = new Map(Object.entries(this.#state))
      for (const [name, value] of this.#changes) {
        if (value === undefined) entries.delete(name)
        else entries.set(name, value)
      }
      this.#state = Object.fromEntries(entries)
      this.#changes = new Map()
    }
    return this.#state
  }

  after(delta: State, removed: ReadonlyArray<string>): StateView {
    const state = this.#changes.size < maxChanges ? this.#state : this.state
    const changes = new Map(this.#changes)
    for (const name of removed) changes.set(name, undefined)
    for (const [name, value] of Object.entries(delta)) changes.set(name, value)
    return new StateView(state, changes)
  }
}

const views = new WeakMap<Session, StateView>()

/** The handle after an append, given what changed. @internal */
export const withDelta = (
  before: Session,
  after: Omit<Session, "state">,
  delta: State,
  removed: ReadonlyArray<string> = []
): Session => {
  const view = (views.get(before) ?? new StateView(before.state, new Map())).after(delta, removed)
  const session: Session = {
    ...after,
    get state() {
      return view.state
    }
  }
  views.set(session, view)
  return session
}
