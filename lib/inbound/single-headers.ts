/** Headers that a request may have only once: node keeps the first, while a proxy may have used another one. */
import { GatewayError } from '../errors.ts'

/** Each name has another length, so comparing lengths rules out most headers without comparing characters. */
const SINGLE: readonly string[] = ['host', 'content-type', 'authorization']
const LENGTHS: readonly number[] = SINGLE.map(({ length }) => length)

/** Throws `bad_request` when a request has one of these headers twice. (RFC 9112, 3.2; RFC 9110, 5.3) */
export function checkSingleHeaders(rawHeaders: readonly string[]): void {
  let seen = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    const at = LENGTHS.indexOf(name.length)
    if (at === -1 || name.toLowerCase() !== SINGLE[at]) continue
    if ((seen & (1 << at)) !== 0) throw repeated(SINGLE[at])
    seen |= 1 << at
  }
}

function repeated(name: string): GatewayError {
  const challenge = { error: 'invalid_request' } as const
  const options = name === 'authorization' ? { challenge } : {}
  return new GatewayError('bad_request', `There is more than one ${name} header`, options)
}
