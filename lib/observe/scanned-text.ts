/** Strings and literals of JSON, as a scanner finds them in bytes. */
import { REVERSE_SOLIDUS } from '../util/ascii.ts'

/** Whether the chunk has this ASCII text at an index. */
export function isTextAt(chunk: Buffer, from: number, text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (chunk[from + at] !== text.charCodeAt(at)) return false
  return true
}

/** Whether any character between two indices is escaped. */
export function hasEscape(chunk: Buffer, from: number, end: number): boolean {
  for (let at = from; at < end; at += 1) if (chunk[at] === REVERSE_SOLIDUS) return true
  return false
}

/**
 * Decodes a JSON string, given the text between its quotes. A text that was cut within an escape is returned as it is.
 */
export function stringOf(text: string): string {
  if (!text.includes('\\')) return text
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}

/** An integer that a number represents exactly. */
const PLAIN_INTEGER = /^(?:0|[1-9]\d{0,14})$/

/** Parses a number, `true`, `false` or `null`. A call of `JSON.parse()` costs more than most of a scan. */
export function parsedLiteral(text: string): unknown {
  if (text === 'false') return false
  if (text === 'true') return true
  if (PLAIN_INTEGER.test(text)) return Number(text)
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
