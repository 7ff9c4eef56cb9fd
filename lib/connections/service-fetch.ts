/**
 * fetch() for metadata and tokens. What an option names is trusted to be at any address; what a server names is not. (SC4)
 */
import { boundedFetch, Unavailable } from '../auth/bounded-fetch.ts'
import { guardedFetch, GuardedFetchError } from '../util/guarded-fetch.ts'

export type ServiceFetch = typeof boundedFetch

/** How many requests for tokens there may be: as users' tokens expire, and not as strangers choose. */
const TOKEN_LIMITS = { maxPerHost: 64, maxRunning: 256, maxPerMinute: 12_000 }

export interface ServiceFetches {
  readonly trusted: ServiceFetch
  /** For metadata: public addresses alone. */
  readonly documents: ServiceFetch
  /** For tokens: the same, and more of them. */
  readonly tokens: ServiceFetch
}

/** `allowLoopback` is for an app that is on loopback itself. */
export function serviceFetches(allowLoopback: boolean): ServiceFetches {
  return {
    trusted: boundedFetch,
    documents: guarded(guardedFetch({ allowLoopback })),
    tokens: guarded(guardedFetch({ allowLoopback, ...TOKEN_LIMITS })),
  }
}

/** Rejects as `boundedFetch()` does: `Unavailable` for what may be over soon. */
function guarded(fetch: ReturnType<typeof guardedFetch>): ServiceFetch {
  return async (url, { method, headers, body }) => {
    const sent = {
      method: method === 'POST' ? 'POST' : 'GET',
      headers: Object.fromEntries(new Headers(headers)),
      ...(body instanceof URLSearchParams && { body: body.toString() }),
    } as const
    const response = await fetch(url, sent).catch((error: unknown) => {
      const isOver = error instanceof GuardedFetchError && error.fault === 'refused'
      throw isOver ? error : new Unavailable(error instanceof Error ? error.message : String(error))
    })
    const { status } = response
    if (status >= 500 || status === 408 || status === 429) throw new Unavailable(`${url} answered ${status}`)
    return response
  }
}
