// What the tests of faults at the edges share: heads that no server would write.
import { createCipheriv } from 'node:crypto'
import type { Exchange } from '../support/upstream.ts'

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
