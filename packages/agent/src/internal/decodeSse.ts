/**
 * @internal
 * Decodes server-sent events as bytes arrive (WHATWG HTML, 9.2.6): any split of
 * the bytes gives the same events. Only the data is kept; a last event without
 * the blank line after it was cut off and is not given.
 */
export class SseDecoder {
  private readonly decoder = new TextDecoder()
  private rest = ""
  private data: Array<string> = []
  private sawReturn = false

  /** The data of the events that these bytes complete. */
  push(bytes: Uint8Array): Array<string> {
    const text = this.rest + this.decoder.decode(bytes, { stream: true })
    const events: Array<string> = []
    let start = 0
    for (let i = this.rest.length; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code === 0x0a && this.sawReturn) {
        this.sawReturn = false
        start = i + 1
        continue
      }
      this.sawReturn = code === 0x0d
      if (code !== 0x0a && code !== 0x0d) continue
      this.line(text.slice(start, i), events)
      start = i + 1
    }
    this.rest = text.slice(start)
    return events
  }

  /** Characters that are held back until their event is complete. */
  get held(): number {
    return this.data.reduce((sum, line) => sum + line.length, this.rest.length)
  }

  private line(line: string, events: Array<string>): void {
    if (line === "") {
      if (this.data.length > 0) events.push(this.data.join("\n"))
      this.data = []
    } else if (line.startsWith("data:")) this.data.push(line.charCodeAt(5) === 0x20 ? line.slice(6) : line.slice(5))
    else if (line === "data") this.data.push("")
  }
}
