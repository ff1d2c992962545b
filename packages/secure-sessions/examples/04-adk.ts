import { BaseLlm, type BaseLlmConnection, LlmAgent, type LlmResponse, LogLevel, Runner, setLogLevel } from "@google/adk"
import { EncryptedSessionService } from "@sennit/secure-sessions/Adk"

/** Stands for a model of yours, so that this runs without a network. */
class Parrot extends BaseLlm {
  override async *generateContentAsync(): AsyncGenerator<LlmResponse, void> {
    yield { content: { role: "model", parts: [{ text: "High tide is at six." }] } }
  }
  override connect(): Promise<BaseLlmConnection> {
    return Promise.reject(new Error("a parrot holds no live conversation"))
  }
}

setLogLevel(LogLevel.ERROR)
const passphrase = "correct horse battery staple"
await using sessionService = await EncryptedSessionService.open({ filename: ":memory:", passphrase })
const runner = new Runner({
  appName: "desk",
  agent: new LlmAgent({ name: "clerk", model: new Parrot({ model: "parrot" }) }),
  sessionService
})

const owner = { appName: "desk", userId: "ada" }
const { id: sessionId } = await sessionService.createSession({ ...owner, state: { topic: "tides" } })
const newMessage = { parts: [{ text: "When is high tide?" }] }
for await (const event of runner.runAsync({ userId: "ada", sessionId, newMessage })) {
  console.log(event.author, event.content?.parts?.[0]?.text) // => clerk High tide is at six.
}

const stored = await sessionService.getSession({ ...owner, sessionId })
console.log(stored?.events.length, stored?.state) // => 2 { topic: 'tides' }
