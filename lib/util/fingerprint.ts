/** Fingerprints of values of any shape, to tell whether two values of an embedder are equal. */
import { createHash } from 'node:crypto'

/**
 * The SHA-256 digest of a value, including maps, sets and objects with `toJSON()`. `undefined` for values that cannot
 * be compared: functions, cycles, and objects of a class without enumerable properties.
 */
export function fingerprint(value: unknown): string | undefined {
  try {
    return createHash('sha256').update(JSON.stringify(value, visible)).digest('base64url')
  } catch {
    return undefined
  }
}

function visible(_key: string, value: unknown): unknown {
  if (typeof value === 'object') return visibleObject(value)
  if (typeof value === 'bigint') return { bigint: String(value) }
  if (typeof value === 'number') return Number.isFinite(value) ? value : { number: String(value) }
  if (typeof value === 'function' || typeof value === 'symbol') throw new TypeError('It cannot be compared')
  return value
}

function visibleObject(value: object | null): unknown {
  if (value === null || Array.isArray(value)) return value
  if (value instanceof Map) return { map: [...value] }
  if (value instanceof Set) return { set: [...value] }
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain = prototype === Object.prototype || prototype === null
  if (isPlain || Object.keys(value).length > 0) return value
  throw new TypeError('It cannot be compared')
}
