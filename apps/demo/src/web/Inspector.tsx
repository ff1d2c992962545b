import { Memory } from "./Memory.tsx"
import { Sessions } from "./Sessions.tsx"

export const Inspector = () => (
  <>
    <Memory />
    <Sessions />
  </>
)
