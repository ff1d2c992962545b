import * as NetBodyReader from "@sennit/agent/adapters/NetBodyReader"
import { HttpClient } from "@sennit/http-client"
import * as Layer from "effect/Layer"
import { chatCases } from "../support/chatCases.ts"

chatCases(Layer.merge(HttpClient.layerPooled(), NetBodyReader.layer))
