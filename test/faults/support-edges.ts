// What the tests of faults at the edges share: a bound for what may never come, and heads that no server would write.
import { createCipheriv } from 'node:crypto'
import type { Exchange } from '../support/upstream.ts'

/** Timers that stay real when a test fakes the others. */
const { setTimeout: later, clearTimeout: never } = globalThis

const BOUND_MS = 1_500

/** The promise, or a failure in these words when nothing comes of it. */
export function soon<T>(promise: Promise<T>, words: string, ms: number = BOUND_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = later(() => reject(new Error(words)), ms)
  })
  return Promise.race([promise, late]).finally(() => never(timer))
}

/** Answers with these lines and bytes as they are, past everything that node checks. */
export function answerRaw({ res }: Exchange, lines: readonly string[], body: string | Buffer = ''): void {
  res.socket?.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (body.length > 0) res.socket?.write(body)
}

export const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'echo' } }

/** Text that compresses badly, the same every time. */
export function noise(bytes: number): string {
  const key = Buffer.alloc(16)
  return createCipheriv('aes-128-ctr', key, key).update(Buffer.alloc(bytes)).toString('base64').slice(0, bytes)
}
