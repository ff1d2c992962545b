// @effect-diagnostics nodeBuiltinImport:off handles and data are Buffers in ssh2
/**
 * Many requests of one transfer at once. SFTP asks for each piece of a file and confirms each, so one at a time moves a
 * piece per round trip; a window of them fills the line.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Buffer } from "node:buffer"
import type * as Driver from "../Driver.ts"
import type { Link } from "./sftpSession.ts"

/** OpenSSH sends up to 255 KiB for one request. */
const readBytes = 255 * 1024
const readsAhead = 8

/** What a writer has under way at most: as much as OpenSSH's channel lets through at once. */
const windowBytes = 2 * 2 ** 20

/** A piece asked for, in the order of the file. */
interface Slot {
  readonly position: number
  readonly bytes: Buffer
  filled: number
  failure: Driver.Failure | undefined
  isDone: boolean
}

/**
 * @internal The bytes from `start` to `end`, a piece for each pull; `undefined` at the end, also at an early one. The
 * window opens with the pulls: who reads little asks for little.
 */
export const pullWindow = (link: Link, handle: Buffer, start: number, end: number): Driver.OpenObject["pull"] => {
  const slots: Array<Slot> = []
  let next = start
  let last = end
  let window = 1
  let wake: (() => void) | undefined
  const ask = (slot: Slot): void =>
    link.send<number>(
      (sftp, callback) => {
        const { bytes, filled, position } = slot
        sftp.read(handle, bytes, filled, bytes.length - filled, position + filled, callback)
      },
      (answer) => {
        const length = Either.getOrElse(answer, () => 0)
        slot.filled += length
        if (Either.isLeft(answer)) slot.failure = answer.left
        // A server may send less than was asked, and sends nothing only at the end.
        if (length > 0 && slot.filled < slot.bytes.length) return ask(slot)
        slot.isDone = true
        if (slot === slots[0]) wake?.()
      }
    )
  const fill = (): void => {
    while (slots.length < window && next < last) {
      const bytes = Buffer.allocUnsafeSlow(Math.min(readBytes, end - next))
      const slot: Slot = { position: next, bytes, filled: 0, failure: undefined, isDone: false }
      next += bytes.length
      slots.push(slot)
      ask(slot)
    }
  }
  const take = (): Effect.Effect<Uint8Array | undefined, Driver.Failure> => {
    const slot = slots.shift()
    if (slot === undefined) return Effect.succeed(undefined)
    if (slot.failure !== undefined) return Effect.fail(slot.failure)
    if (slot.filled < slot.bytes.length) {
      last = next
      slots.length = 0
    }
    fill()
    return Effect.succeed(slot.filled === 0 ? undefined : new Uint8Array(slot.bytes.buffer, 0, slot.filled))
  }
  return Effect.async<Uint8Array | undefined, Driver.Failure>((resume) => {
    window = Math.min(readsAhead, window + 1)
    fill()
    const first = slots[0]
    if (first === undefined || first.isDone) return resume(take())
    wake = () => {
      wake = undefined
      resume(take())
    }
    return Effect.sync(() => {
      wake = undefined
    })
  })
}

/** @internal */
export interface Writer {
  /** Sends an array that stays as it is until `finish`. Waits while the window is full. */
  readonly writeWhole: (bytes: Uint8Array) => Effect.Effect<void, Driver.Failure>
  /**
   * Copies a piece into the window and sends it when there is enough for a request, which costs the same whatever it
   * carries. Waits while the window is full; afterwards the piece is the caller's again.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, Driver.Failure>
  /** Waits until all is confirmed. */
  readonly finish: Effect.Effect<void, Driver.Failure>
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** @internal For one fiber. */
export const makeWriter = (link: Link, handle: Buffer): Writer => {
  const { writeBytes } = link
  const writesUnderWay = Math.floor(windowBytes / writeBytes)
  let position = 0
  let underWay = 0
  let failure: Driver.Failure | undefined
  let wake: (() => void) | undefined
  /** Buffers are used again: new ones for every request would have the collector run all the time. */
  const free: Array<Buffer> = []
  let current: Buffer | undefined
  let length = 0
  const send = (bytes: Buffer, done?: () => void): void => {
    const at = position
    position += bytes.length
    underWay++
    link.send<void>(
      (sftp, callback) => sftp.write(handle, bytes, 0, bytes.length, at, (error) => callback(error, undefined)),
      (answer) => {
        underWay--
        if (Either.isLeft(answer)) failure ??= answer.left
        else done?.()
        wake?.()
      }
    )
  }
  const until = (isEnough: () => boolean): Effect.Effect<void, Driver.Failure> =>
    Effect.async<void, Driver.Failure>((resume) => {
      const look = () => {
        if (failure === undefined && !isEnough()) return
        wake = undefined
        resume(failure === undefined ? Effect.void : Effect.fail(failure))
      }
      wake = look
      look()
      return Effect.sync(() => {
        wake = undefined
      })
    })
  const hasRoom = () => underWay < writesUnderWay
  const sendFrom = (bytes: Buffer): Effect.Effect<void, Driver.Failure> =>
    bytes.length === 0 ? Effect.void : Effect.flatMap(until(hasRoom), () => {
      let rest = bytes
      while (rest.length > 0 && hasRoom()) {
        send(rest.subarray(0, writeBytes))
        rest = rest.subarray(writeBytes)
      }
      return sendFrom(rest)
    })
  const sendCurrent = (): void => {
    const sent = current
    if (sent === undefined) return
    send(length < sent.length ? sent.subarray(0, length) : sent, () => free.push(sent))
    current = undefined
    length = 0
  }
  const copyFrom = (bytes: Buffer, start: number): Effect.Effect<void, Driver.Failure> => {
    let from = start
    while (from < bytes.length) {
      if (current === undefined && !hasRoom()) return Effect.flatMap(until(hasRoom), () => copyFrom(bytes, from))
      current ??= free.pop() ?? Buffer.allocUnsafeSlow(writeBytes)
      const copied = bytes.copy(current, length, from)
      from += copied
      length += copied
      if (length === current.length) sendCurrent()
    }
    return Effect.void
  }
  return {
    writeWhole: (bytes) => Effect.suspend(() => sendFrom(asBuffer(bytes))),
    write: (bytes) => Effect.suspend(() => copyFrom(asBuffer(bytes), 0)),
    finish: Effect.suspend(() => {
      sendCurrent()
      return until(() => underWay === 0)
    })
  }
}
