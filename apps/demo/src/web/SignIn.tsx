import { useEffect, useRef } from "react"
import { signIn } from "./actions.ts"
import { useState } from "./store.ts"

/** Over the page, which stays as it is: what was typed is not lost. */
export const SignIn = () => {
  const dialog = useRef<HTMLDialogElement>(null)
  const name = useRef<HTMLInputElement>(null)
  const password = useRef<HTMLInputElement>(null)
  const problem = useState((state) => state.problem)
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal()
  }, [])
  const go = (how: "signIn" | "signUp") => signIn(how, name.current!.value.trim(), password.current!.value)
  return (
    <dialog ref={dialog} aria-label="Sign in" className="help" onCancel={(event) => event.preventDefault()}>
      <h2>Sign in</h2>
      <p>Your message is kept in this browser.</p>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          go("signIn")
        }}
      >
        <label>
          Name <input ref={name} name="name" autoComplete="username" required />
        </label>
        <label>
          Password <input ref={password} name="password" type="password" autoComplete="current-password" required />
        </label>
        {problem === undefined ? null : <p role="alert" className="problem">{problem}</p>}
        <p className="row">
          <button type="submit">Sign in</button>
          <button type="button" onClick={() => go("signUp")}>Make an account</button>
        </p>
      </form>
    </dialog>
  )
}
