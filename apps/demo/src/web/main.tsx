import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { begin } from "./actions.ts"
import { App } from "./App.tsx"
import "./style.css"

begin()
createRoot(document.querySelector("#app")!).render(
  <StrictMode>
    <App />
  </StrictMode>
)
