// What the tests of bounds measure with: held memory after a collection, errors made, streams read and thrown away.
// It is imported before anything of the library: only then the errors that the library makes are counted.
import { request } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Exchange } from '../support/upstream.ts'

export const MiB = 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/**
 * Memory in use after collections, until another one finds nothing more: the heap, and the buffers outside of it. Each
 * takes long in a process that holds much: one is all where less than `enough` is left.
 */
export async function heldBytes(enough = 0): Promise<number> {
  let held = Infinity
  for (let round = 0; round < 20; round += 1) {
    const before = held
    await turns(5)
    collect()
    const { heapUsed, external } = process.memoryUsage()
    held = heapUsed + external
    if (held < enough || (before - held < 64 * 1024 && round > 0)) break
  }
  return held
}

/** Turns of the event loop: whatever has arrived on a socket of this process is read in them. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => void setImmediate(resolve))
}

let made = 0
const { parse } = JSON

globalThis.Error = new Proxy(Error, {
  construct(target, parameters, newTarget) {
    made += 1
    return Reflect.construct(target, parameters, newTarget) as object
  },
})

JSON.parse = (text: string, ...rest: []): unknown => {
  try {
    return parse(text, ...rest)
  } catch (error) {
    made += 1
    throw error
  }
}

/** How many errors have been made by now, those of JSON.parse() among them. */
export function errorsMade(): number {
  return made
}

export interface Gulp {
  readonly status: number
  /** The last bytes that came. */
  tail(): string
  /** Resolves when so many bytes have come. */
  until(bytes: number): Promise<void>
  readonly over: Promise<'complete' | 'cut'>
  close(): void
}

/** Reads an answer as it comes and keeps nothing of it but its end. */
export function gulp(url: string, message: object, headers: Record<string, string> = {}): Promise<Gulp> {
  const types = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers: { ...types, ...headers }, agent: false })
    sent.once('error', reject)
    sent.once('response', (response) => {
      let count = 0
      let end = ''
      let waiting: { readonly bytes: number; readonly resolve: () => void } | undefined
      response.on('data', (chunk: Buffer) => {
        count += chunk.length
        end = (end + chunk.toString('latin1', Math.max(0, chunk.length - 2_048))).slice(-2_048)
        if (waiting && count >= waiting.bytes) waiting.resolve()
      })
      response.on('error', () => {})
      resolve({
        status: response.statusCode ?? 0,
        tail: () => end,
        until: (bytes) =>
          new Promise((reached) => {
            waiting = { bytes, resolve: reached }
            if (count >= bytes) reached()
          }),
        over: new Promise((over) => void response.once('close', () => over(response.complete ? 'complete' : 'cut'))),
        close: () => void response.destroy(),
      })
    })
    sent.end(JSON.stringify(message))
  })
}

/** Answers with a body of chunks of one byte each; the body does not end. */
export function trickle(exchange: Exchange, type: string, text: string): Promise<void> {
  const { res } = exchange
  res.writeHead(200, { 'content-type': type, 'transfer-encoding': 'chunked' }).flushHeaders()
  return trickleOn(exchange, text)
}

/** More chunks of one byte each behind what an exchange has answered. */
export function trickleOn({ res }: Exchange, text: string): Promise<void> {
  const bytes = Buffer.from(Array.from(text, (letter) => `1\r\n${letter}\r\n`).join(''))
  return new Promise((resolve) => void res.socket?.write(bytes, () => resolve()))
}
