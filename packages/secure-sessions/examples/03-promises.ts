import { createSessions } from "@sennit/secure-sessions/Promise"

await using sessions = await createSessions({ filename: ":memory:", passphrase: "correct horse battery staple" })
const session = await sessions.getOrCreate({ app: "desk", user: "ada", id: "monday" })
await sessions.append(session, { author: "ada", body: { text: "Good morning" } })

for await (const event of sessions.events({ app: "desk", user: "ada", id: "monday" })) {
  console.log(event.sequence, event.author, event.body) // => 1 ada { text: 'Good morning' }
}
