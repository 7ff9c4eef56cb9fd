/** Content negotiation. (RFC 9110, 12.5.1) */
import Negotiator from 'negotiator'

/** The media type that the client prefers, the first of equals; `undefined` when it accepts none of them. */
export function preferred<T extends string>(accept: string | undefined, types: readonly T[]): T | undefined {
  return new Negotiator({ headers: { accept } }).mediaType([...types]) as T | undefined
}
