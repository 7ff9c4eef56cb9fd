/** The cursor of a list with more pages than one answer holds: whose they are, and their own cursors. Pure. */
import { parseJson } from '../../util/json.ts'

/** A member's list from a cursor on. */
export interface Rest {
  readonly member: string
  readonly cursor: string
}

/** Names no node, so that any can continue. */
export function cursorOf(rests: readonly Rest[]): string | undefined {
  if (rests.length === 0) return undefined
  return Buffer.from(JSON.stringify(rests.map(({ member, cursor }) => [member, cursor]))).toString('base64url')
}

/** `undefined` for a text that is no such cursor. */
export function restsOf(cursor: unknown): readonly Rest[] | undefined {
  const pairs = typeof cursor === 'string' ? parseJson(Buffer.from(cursor, 'base64url').toString()) : undefined
  if (!Array.isArray(pairs) || pairs.length === 0) return undefined
  const rests = pairs.map((pair: unknown) => {
    const [member, own, ...more] = Array.isArray(pair) ? (pair as unknown[]) : []
    return { member, cursor: own, isWhole: more.length === 0 }
  })
  const isValid = rests.every(
    ({ member, cursor: own, isWhole }) => isWhole && typeof member === 'string' && typeof own === 'string',
  )
  const isUnique = new Set(rests.map(({ member }) => member)).size === rests.length
  return isValid && isUnique ? (rests as unknown as readonly Rest[]) : undefined
}
