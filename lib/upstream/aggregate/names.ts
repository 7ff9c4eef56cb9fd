/** The names of tools and prompts as clients see them: a pure function of the member and its own name. */
import { hash } from 'node:crypto'

/** The longest name that the large model providers take, in characters. */
const MAX_ADVERTISED_CHARS = 64

/** How many hexadecimal digits of a digest end the name that would be longer. */
const DIGEST_CHARS = 10

const DIGEST_END = /_[0-9a-f]{10}$/

/** Ends in half a character, if a longer name was cut in the middle of it. */
const HALF_CHARACTER = /[\uD800-\uDBFF]$/

/** A name that is too long keeps its head, which names the member, and ends in a digest of the whole. */
export function advertisedName(member: string, separator: string, name: string): string {
  const whole = member + separator + name
  if (whole.length <= MAX_ADVERTISED_CHARS) return whole
  const head = whole.slice(0, MAX_ADVERTISED_CHARS - DIGEST_CHARS - 1).replace(HALF_CHARACTER, '')
  return `${head}_${hash('sha256', whole, 'hex').slice(0, DIGEST_CHARS)}`
}

/** Whether an advertised name may stand for a longer one, which only the member's list tells. */
export function mayBeShortened(advertised: string): boolean {
  return advertised.length >= MAX_ADVERTISED_CHARS - 1 && DIGEST_END.test(advertised)
}
