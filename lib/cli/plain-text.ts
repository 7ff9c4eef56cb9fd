/** Makes text of servers and files safe to print: on one line, without characters that steer a terminal. */
import { stripVTControlCharacters } from 'node:util'

/** Control characters, and those that change the direction of text or the order of lines. */
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu

/** The longest text of a server on one line, in characters. */
const MAX_PLAIN_CHARS = 300

export function plainText(text: string): string {
  const line = stripVTControlCharacters(text).replaceAll(STEERING, ' ').trim()
  return line.length <= MAX_PLAIN_CHARS ? line : `${line.slice(0, MAX_PLAIN_CHARS - 1)}…`
}
