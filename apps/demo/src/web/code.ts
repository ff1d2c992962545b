/** Colours code; loaded when the first code is shown. The marks are Trusted HTML: highlight.js escapes what it is given. */
import hljs from "highlight.js/lib/core"
import bash from "highlight.js/lib/languages/bash"
import css from "highlight.js/lib/languages/css"
import javascript from "highlight.js/lib/languages/javascript"
import json from "highlight.js/lib/languages/json"
import python from "highlight.js/lib/languages/python"
import sql from "highlight.js/lib/languages/sql"
import typescript from "highlight.js/lib/languages/typescript"
import xml from "highlight.js/lib/languages/xml"
import yaml from "highlight.js/lib/languages/yaml"
import { sanitize } from "./markdown.ts"

for (const [name, language] of Object.entries({ bash, css, javascript, json, python, sql, typescript, xml, yaml })) {
  hljs.registerLanguage(name, language)
}

/** The code with spans; undefined for a language that is not known. */
export const colour = (code: string, language: string) =>
  hljs.getLanguage(language) === undefined
    ? undefined
    : sanitize(hljs.highlight(code, { language, ignoreIllegals: true }).value)
