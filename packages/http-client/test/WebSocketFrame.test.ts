// @effect-diagnostics nodeBuiltinImport:off -- node:zlib is the oracle of permessage-deflate
import { describe, expect, it } from "@effect/vitest"
import { PerMessageDeflate, WebSocketFrame } from "@sennit/http-client"
import * as FastCheck from "effect/FastCheck"
import * as Zlib from "node:zlib"

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")
const direction: PerMessageDeflate.Direction = { contextTakeover: true, windowBits: 15 }
const parse = (bytes: Uint8Array, limits: Partial<WebSocketFrame.WebSocketLimits> = {}, deflate = false) => {
  const parser = new WebSocketFrame.FrameParser(
    { ...WebSocketFrame.defaultLimits, ...limits },
    deflate ? new PerMessageDeflate.Inflater(direction) : undefined
  )
  const events = parser.push(bytes)
  return parser.failure ?? events
}

/** A server's frame, written after §5.2 of RFC 6455 without our encoder. */
const frame = (first: number, payload: Uint8Array | string): Buffer => {
  const body = Buffer.from(payload)
  const head = body.length < 126
    ? Buffer.from([first, body.length])
    : body.length < 65_536
    ? Buffer.from([first, 126, body.length >> 8, body.length & 255])
    : Buffer.from([first, 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (body.length >> shift) & 255)])
  return Buffer.concat([head, body])
}

describe("the examples of RFC 6455 §5.7", () => {
  it("are read", () => {
    expect(parse(hex("81 05 48 65 6c 6c 6f"))).toEqual([{ _tag: "Message", data: "Hello" }])
    expect(parse(hex("01 03 48 65 6c 80 02 6c 6f"))).toEqual([{ _tag: "Message", data: "Hello" }])
    expect(parse(hex("89 05 48 65 6c 6c 6f"))).toEqual([{ _tag: "Ping", payload: Buffer.from("Hello") }])
    const binary = Buffer.alloc(256, 7)
    expect(parse(Buffer.concat([hex("82 7E 0100"), binary]))).toEqual([{
      _tag: "Message",
      data: new Uint8Array(binary)
    }])
    const large = Buffer.alloc(65_536, 7)
    expect(parse(Buffer.concat([hex("82 7F 0000000000010000"), large]))).toEqual([
      { _tag: "Message", data: new Uint8Array(large) }
    ])
  })
  it("are written, masked with the key of the example", () => {
    const key = hex("37 fa 21 3d")
    expect(Buffer.from(WebSocketFrame.encode(1, Buffer.from("Hello"), key)).toString("hex")).toBe(
      hex("81 85 37 fa 21 3d 7f 9f 4d 51 58").toString("hex")
    )
    expect(Buffer.from(WebSocketFrame.encode(10, Buffer.from("Hello"), key)).toString("hex")).toBe(
      hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58").toString("hex")
    )
  })
})

describe("the examples of RFC 7692 §7.2.3", () => {
  const message = [{ _tag: "Message", data: "Hello" }]
  it("one message, two fragments, a block without compression", () => {
    expect(parse(hex("c1 07 f2 48 cd c9 c9 07 00"), {}, true)).toEqual(message)
    expect(parse(hex("41 03 f2 48 cd 80 04 c9 c9 07 00"), {}, true)).toEqual(message)
    expect(parse(hex("c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00"), {}, true)).toEqual(message)
    expect(parse(hex("c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00"), {}, true)).toEqual(message)
  })
  it("is limited while it is made, and refused when it is none", () => {
    const bomb = Zlib.deflateRawSync(Buffer.alloc(10_000_000), { finishFlush: Zlib.constants.Z_SYNC_FLUSH }).subarray(
      0,
      -4
    )
    expect(parse(frame(0xc2, bomb), { message: 1_000_000 }, true)).toMatchObject({
      reason: "MessageTooLarge",
      code: 1009
    })
    expect(parse(hex("c1 03 ff ff ff"), {}, true)).toMatchObject({ reason: "Deflate", code: 1007 })
    expect(parse(frame(0xc1, new PerMessageDeflate.Deflater(direction).deflate(hex("ff"))), {}, true)).toMatchObject({
      reason: "Utf8"
    })
  })
  it("the second message of §7.2.3.2 refers to the first, unless nothing is kept", () => {
    const wire = hex("c1 07 f2 48 cd c9 c9 07 00 c1 05 f2 00 11 00 00")
    expect(parse(wire, {}, true)).toEqual([...message, ...message])
    const forgetful = new PerMessageDeflate.Inflater({ ...direction, contextTakeover: false })
    const parser = new WebSocketFrame.FrameParser(WebSocketFrame.defaultLimits, forgetful)
    expect(parser.push(wire)).toEqual(message)
    expect(parser.failure).toMatchObject({ reason: "Deflate", code: 1007 })
  })
  it("a block that says it is the last (§7.2.3.4)", () => {
    expect(parse(hex("c1 08 f3 48 cd c9 c9 07 00 00"), {}, true)).toEqual(message)
  })
})

describe("the agreement on permessage-deflate (RFC 7692 §7.1)", () => {
  const all = { contextTakeover: true, windowBits: 15 }
  it.each(
    [
      ["permessage-deflate", { server: all, client: all }],
      ["permessage-deflate; server_no_context_takeover", { server: { ...all, contextTakeover: false }, client: all }],
      ["permessage-deflate; client_no_context_takeover", { server: all, client: { ...all, contextTakeover: false } }],
      ["permessage-deflate; server_max_window_bits=10", { server: { ...all, windowBits: 10 }, client: all }],
      ["permessage-deflate;client_max_window_bits=\"8\"", { server: all, client: { ...all, windowBits: 8 } }]
    ] as const
  )("%s", (answer, expected) => {
    expect(PerMessageDeflate.agree(answer)).toEqual(expected)
  })
  it.each([
    "x-webkit-deflate-frame",
    "permessage-deflate, permessage-deflate",
    "permessage-deflate; server_no_context_takeover, x-other",
    "permessage-deflate; x-other",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=08",
    "permessage-deflate; server_max_window_bits=99"
  ])("%s is no answer", (answer) => {
    expect(PerMessageDeflate.agree(answer)).toBeUndefined()
  })
  it("what is asked of the server must be promised", () => {
    const offer = { contextTakeover: false, serverMaxWindowBits: 10 }
    expect(PerMessageDeflate.encodeOffer(offer)).toBe(
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits"
    )
    expect(PerMessageDeflate.agree("permessage-deflate; server_no_context_takeover; server_max_window_bits=9", offer))
      .toEqual({
        server: { contextTakeover: false, windowBits: 9 },
        client: { contextTakeover: false, windowBits: 15 }
      })
    expect(PerMessageDeflate.agree("permessage-deflate; server_no_context_takeover", offer)).toBeUndefined()
    expect(PerMessageDeflate.agree("permessage-deflate; server_max_window_bits=10", offer)).toBeUndefined()
  })
  it.prop(
    "any messages come back from zlib's own streams, whatever was agreed on",
    [
      FastCheck.array(FastCheck.uint8Array({ maxLength: 200 }), { maxLength: 5 }),
      FastCheck.boolean(),
      FastCheck.integer({ min: 9, max: 15 })
    ],
    ([messages, contextTakeover, windowBits]) => {
      const agreed = { contextTakeover, windowBits }
      const deflater = new PerMessageDeflate.Deflater(agreed)
      const flush = { finishFlush: Zlib.constants.Z_SYNC_FLUSH, windowBits }
      // a window that is kept is one stream of all messages
      const payloads = messages.map((one) => Buffer.concat([deflater.deflate(one), hex("00 00 ff ff")]))
      const whole = contextTakeover ? [Buffer.concat(payloads)] : payloads
      expect(Buffer.concat(whole.map((one) => Zlib.inflateRawSync(one, flush)))).toEqual(Buffer.concat(messages))
    }
  )
})

describe("violations", () => {
  it.each(
    [
      ["91 00", "ReservedBits", 1002],
      ["a1 00", "ReservedBits", 1002],
      ["c1 00", "ReservedBits", 1002],
      ["83 00", "Opcode", 1002],
      ["8b 00", "Opcode", 1002],
      ["81 85 00000000 48656c6c6f", "Masked", 1002],
      ["09 00", "ControlFrame", 1002],
      ["89 7e 007e", "ControlFrame", 1002],
      ["80 00", "Fragmentation", 1002],
      ["01 00 01 00", "Fragmentation", 1002],
      ["01 00 82 00", "Fragmentation", 1002],
      ["82 7e 007d", "Length", 1002],
      ["82 7f 000000000000ffff", "Length", 1002],
      ["82 7f 8000000000000000", "Length", 1002],
      ["82 7f 7fffffffffffffff", "FrameTooLarge", 1009],
      ["82 7f 0000000001000001", "FrameTooLarge", 1009],
      ["88 01 03", "CloseCode", 1002],
      ["88 02 03e7", "CloseCode", 1002],
      ["88 02 03ec", "CloseCode", 1002],
      ["88 02 03ee", "CloseCode", 1002],
      ["88 02 03f7", "CloseCode", 1002],
      ["88 02 1388", "CloseCode", 1002],
      ["88 03 03e8 ff", "Utf8", 1007],
      ["81 01 ff", "Utf8", 1007],
      ["81 02 c080", "Utf8", 1007],
      ["81 03 eda080", "Utf8", 1007],
      // not valid any more after its second byte, although the message goes on
      ["01 02 ceba 00 02 ffff", "Utf8", 1007],
      ["01 01 ce 80 00", "Utf8", 1007]
    ] as const
  )("%s is %s", (bytes, reason, code) => {
    expect(parse(hex(bytes), {}, false)).toMatchObject({ _tag: "WebSocketProtocolError", reason, code })
    const parser = new WebSocketFrame.FrameParser()
    for (const byte of hex(bytes)) parser.push(Uint8Array.of(byte))
    expect(parser.failure).toMatchObject({ reason, code })
  })
  it("RSV1 is for the first frame of a message only", () => {
    expect(parse(hex("c9 00"), {}, true)).toMatchObject({ reason: "ReservedBits" })
    expect(parse(hex("01 00 c0 00"), {}, true)).toMatchObject({ reason: "ReservedBits" })
  })
  it("messages before a violation are given", () => {
    const parser = new WebSocketFrame.FrameParser()
    expect(parser.push(hex("81 02 6869 83 00 81 02 6869"))).toEqual([{ _tag: "Message", data: "hi" }])
    expect(parser.failure).toMatchObject({ reason: "Opcode" })
    expect(parser.push(hex("81 02 6869"))).toEqual([])
  })
  it("limits of frames, messages and fragments hold before the payload comes", () => {
    expect(parse(hex("82 0b"), { frame: 10 })).toMatchObject({ reason: "FrameTooLarge" })
    expect(parse(hex("02 02 0000 80 02"), { message: 3 })).toMatchObject({ reason: "MessageTooLarge" })
    expect(parse(hex("02 00 00 00 00 00"), { fragments: 2 })).toMatchObject({ reason: "TooManyFragments" })
    expect(parse(hex("02 00 00 00 80 00"), { fragments: 3 })).toEqual([{ _tag: "Message", data: new Uint8Array(0) }])
  })
})

describe("any division of any messages", () => {
  const message = FastCheck.oneof(
    FastCheck.string({ unit: "grapheme", maxLength: 40 }),
    FastCheck.uint8Array({ maxLength: 300 })
  )
  it.prop(
    "with control frames between, compressed or not, gives them back",
    [
      FastCheck.array(FastCheck.tuple(message, FastCheck.integer({ min: 1, max: 4 }), FastCheck.boolean()), {
        maxLength: 6
      }),
      FastCheck.integer({ min: 1, max: 50 })
    ],
    ([messages, size]) => {
      const wire: Array<Buffer> = []
      const deflater = new PerMessageDeflate.Deflater(direction)
      for (const [data, fragments, compressed] of messages) {
        const payload = Buffer.from(compressed ? deflater.deflate(Buffer.from(data)) : data)
        const step = Math.ceil(payload.length / fragments) || 1
        const opcode = typeof data === "string" ? 1 : 2
        for (let at = 0; at === 0 || at < payload.length; at += step) {
          const first = at === 0 ? opcode | (compressed ? 0x40 : 0) : 0
          wire.push(
            frame(first | (at + step >= payload.length ? 0x80 : 0), payload.subarray(at, at + step)),
            frame(0x8a, "p")
          )
        }
      }
      const all = Buffer.concat(wire)
      const parser = new WebSocketFrame.FrameParser(
        WebSocketFrame.defaultLimits,
        new PerMessageDeflate.Inflater(direction)
      )
      const events: Array<unknown> = []
      for (let at = 0; at < all.length; at += size) events.push(...parser.push(all.subarray(at, at + size)))
      const data = events.filter((event) => JSON.stringify(event).includes("\"Message\""))
      expect(data).toEqual(messages.map(([one]) => ({ _tag: "Message", data: one })))
    }
  )
  it.prop("any bytes end, and any payload is unmasked by the mask", [
    FastCheck.uint8Array({ maxLength: 400 }),
    FastCheck.uint8Array({ minLength: 4, maxLength: 4 })
  ], ([bytes, mask]) => {
    parse(bytes)
    const encoded = WebSocketFrame.encode(2, bytes, mask)
    const payload = encoded.slice(encoded.length - bytes.length).map((byte, i) => byte ^ (mask[i & 3] ?? 0))
    expect(payload).toEqual(bytes)
  })
})
