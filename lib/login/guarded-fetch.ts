/** A fetch for addresses that others name: public hosts alone, pinned, no redirects, bounded. (login-pages fills this in) */
import type { GuardedFetch } from './types.ts'

export interface GuardedFetchOptions {
  /** Whether hosts of this machine, and `http:` to them, are fetched too: where the issuer itself is on this machine. */
  readonly allowLoopback: boolean
}

export function guardedFetch(_options: GuardedFetchOptions): GuardedFetch {
  return async (url, { headers = {} } = {}) => fetch(url, { headers, redirect: 'error' })
}
