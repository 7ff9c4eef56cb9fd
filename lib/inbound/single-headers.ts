/** Headers that a request may have only once: node keeps the first, while a proxy may have used another one. */
import { GatewayError } from '../errors.ts'

const SINGLE: readonly string[] = ['host', 'content-type', 'authorization']

/** The names by their length, which rules out most headers without comparing characters: each has another one. */
const BY_LENGTH: readonly (string | undefined)[] = Array.from({ length: 14 }, (_, length) =>
  SINGLE.find((name) => name.length === length),
)

/** Throws `bad_request` when a request has one of these headers twice. (RFC 9112, 3.2; RFC 9110, 5.3) */
export function checkSingleHeaders(rawHeaders: readonly string[]): void {
  let seen = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    const { length } = name
    const single = length < BY_LENGTH.length ? BY_LENGTH[length] : undefined
    if (single === undefined || name.toLowerCase() !== single) continue
    if ((seen & (1 << length)) !== 0) throw repeated(single)
    seen |= 1 << length
  }
}

function repeated(name: string): GatewayError {
  const challenge = { error: 'invalid_request' } as const
  const options = name === 'authorization' ? { challenge } : {}
  return new GatewayError('bad_request', `There is more than one ${name} header`, options)
}
