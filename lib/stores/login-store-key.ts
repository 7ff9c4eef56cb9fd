/** The keys of the store: digests, so that who reads them holds no id, code or token. */
import { hash } from 'node:crypto'

/** The key of a record of this kind, such as `client`. */
export function storeKey(kind: string, id: string): string {
  return `${kind}:${hash('sha256', `${kind} ${id}`, 'base64url')}`
}
