import { Agent, Documents, Files, Planner, QueryTable, Toolset } from "@sennit/agent"
import { Effect, Layer } from "effect"

const sales = "date,product,revenue\n2026-02-27,Tea,10.40\n2026-03-02,Tea,12.50\n2026-03-09,Coffee,30.75\n"

const assistant = Agent.make({
  name: "assistant",
  instructions: "Answer from the attached files.",
  tools: Toolset.make(QueryTable.tool)
})

const program = Agent.run(assistant, {
  message: "What is the total revenue in March?",
  attachments: [{ name: "sales.csv", size: sales.length, type: "text/csv" }]
})

// The planner works offline with fixed rules; `OpenAiChat.layer` puts a language model in its place.
const services = Layer.mergeAll(Planner.layer, Documents.layer(), Files.layerMemory({ "sales.csv": sales }))

const result = await Effect.runPromise(Effect.provide(program, services))

console.log(result.text.split("\n")[0]) // => The total revenue in March is **43.25**.
console.log(result.text.split("\n")[2]) // => _Worked out by query_table from sales.csv: 2 of 3 rows used._
console.log(result.outcome, result.steps) // => completed 3
