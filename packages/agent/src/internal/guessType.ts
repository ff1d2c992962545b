const types: ReadonlyMap<string, string> = new Map(Object.entries<string>({
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  txt: "text/plain",
  md: "text/markdown",
  markdown: "text/markdown",
  json: "application/json",
  html: "text/html",
  htm: "text/html",
  xml: "application/xml",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  jpg: "image/jpeg",
  jpeg: "image/jpeg"
}))

/** @internal */
export const extensionOf = (name: string): string => name.slice(name.lastIndexOf(".") + 1).toLowerCase()

/** @internal The media type that a file's name suggests. */
export const guessType = (name: string): string => types.get(extensionOf(name)) ?? "application/octet-stream"
