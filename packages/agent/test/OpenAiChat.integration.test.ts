import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { chatCases } from "./support/chatCases.ts"

chatCases(FetchHttpClient.layer)
