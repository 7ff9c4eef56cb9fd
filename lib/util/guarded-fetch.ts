/**
 * fetch() for URLs that strangers choose: public addresses alone, pinned before the connection, no redirects, and limits
 * of size, time and number. (SC4)
 */
import { Resolver } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
// By its file, because Bun replaces 'undici' by a module of its own that ignores the agent.
import { Agent, request as send } from 'undici/index.js'
import { isLoopbackAddress, isPublicAddress } from './public-address.ts'

/** The addresses of a host name. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<readonly string[]>

export interface GuardedFetchOptions {
  /** Whether loopback is allowed, also with `http:`: for an issuer that is on loopback itself. */
  readonly allowLoopback: boolean
  /** The most requests at once to one host, to all hosts, and to all hosts in a minute. Default to 4, 16 and 120. */
  readonly maxPerHost?: number
  readonly maxRunning?: number
  readonly maxPerMinute?: number
  /** Looks up a host name. Defaults to DNS. */
  readonly resolve?: Resolve
}

export interface GuardedRequest {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The largest response body, in bytes. Defaults to 64 KiB. */
  readonly maxBytes?: number
  /** The timeout of the name lookup and the whole response together, in milliseconds. Defaults to 3 000. */
  readonly timeoutMs?: number
}

/** Resolves with a response of any status but a redirect, with its whole body. Rejects with a GuardedFetchError. */
export type GuardedFetch = (url: string | URL, request?: GuardedRequest) => Promise<Response>

/**
 * Why there is no response. `refused`: the URL, its address or a redirect is not allowed, or the body is too large.
 * `busy`: a limit of number is reached. `unavailable`: no response in time.
 */
export type FetchFault = 'refused' | 'busy' | 'unavailable'

export class GuardedFetchError extends Error {
  override readonly name = 'GuardedFetchError'
  readonly fault: FetchFault

  constructor(fault: FetchFault, message: string) {
    super(message)
    this.fault = fault
  }
}

const MINUTE_MS = 60_000
const MAX_FETCHED_BYTES = 64 * 1024
const FETCH_MS = 3_000

export function guardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const fetcher = new GuardedFetcher(options)
  return (url, request) => fetcher.fetch(url, request)
}

class GuardedFetcher {
  readonly #allowLoopback: boolean
  readonly #limits: FetchLimits
  readonly #resolve: Resolve

  constructor(options: GuardedFetchOptions) {
    const { maxPerHost = 4, maxRunning = 16, maxPerMinute = 120 } = options
    this.#allowLoopback = options.allowLoopback
    this.#limits = new FetchLimits(maxPerHost, maxRunning, maxPerMinute)
    this.#resolve = options.resolve ?? ((hostname, signal) => resolveByDns(hostname, signal))
  }

  async fetch(given: string | URL, request: GuardedRequest = {}): Promise<Response> {
    const url = new URL(given)
    // No hint of what was found where: the message may reach whoever chose the URL.
    if (!this.#mayAsk(url)) throw new GuardedFetchError('refused', `${url.origin} is not asked: its URL is not public`)
    const leave = this.#limits.enter(url.hostname)
    if (!leave) throw new GuardedFetchError('busy', `${url.origin} is not asked: there are too many requests`)
    const signal = AbortSignal.timeout(request.timeoutMs ?? FETCH_MS)
    try {
      return await this.#send(url, await this.#addressesOf(url, signal), request, signal)
    } catch (error) {
      if (error instanceof GuardedFetchError) throw error
      throw new GuardedFetchError('unavailable', `${url.origin} did not answer: ${codeOf(error)}`)
    } finally {
      leave()
    }
  }

  /** What can be said without a lookup. */
  #mayAsk({ protocol, username, password }: URL): boolean {
    if (username !== '' || password !== '') return false
    return protocol === 'https:' || (this.#allowLoopback && protocol === 'http:')
  }

  /** The addresses of the host, each of which is allowed: one that is not refuses them all. */
  async #addressesOf({ protocol, hostname, origin }: URL, signal: AbortSignal): Promise<readonly string[]> {
    const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
    const addresses = isIP(host) ? [host] : isLocalhost(host) ? LOCALHOST_ADDRESSES : await this.#resolve(host, signal)
    signal.throwIfAborted()
    if (addresses.length === 0) throw new GuardedFetchError('unavailable', `${origin} has no address`)
    const isAllowed = (address: string): boolean =>
      (this.#allowLoopback && isLoopbackAddress(address)) || (protocol === 'https:' && isPublicAddress(address))
    if (addresses.every(isAllowed)) return addresses
    throw new GuardedFetchError('refused', `${origin} is not asked: its URL is not public`)
  }

  async #send(
    url: URL,
    addresses: readonly string[],
    { method = 'GET', headers = {}, body, maxBytes = MAX_FETCHED_BYTES }: GuardedRequest,
    signal: AbortSignal,
  ): Promise<Response> {
    // An agent for each request: its connection goes to the addresses that were checked, and is used by no other.
    const agent = new Agent({ connect: { lookup: pinnedTo(addresses) } })
    try {
      const response = await send(url, { dispatcher: agent, method, headers, body: body ?? null, signal })
      if (response.statusCode >= 300 && response.statusCode < 400) {
        throw new GuardedFetchError('refused', `${url.origin} answered with a redirect, which is not followed`)
      }
      const bytes = await readBody(response.body, url, maxBytes)
      return new Response(mayHaveBody(response.statusCode) ? bytes : null, {
        status: response.statusCode,
        headers: listed(response.headers),
      })
    } finally {
      await agent.destroy()
    }
  }
}

async function readBody(
  body: AsyncIterable<Uint8Array>,
  { origin }: URL,
  maxBytes: number,
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBytes) {
      throw new GuardedFetchError('refused', `${origin} answered more than ${maxBytes} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Counts requests: at once to a host, at once in all, and in the current minute. */
class FetchLimits {
  readonly #maxPerHost: number
  readonly #maxRunning: number
  readonly #maxPerMinute: number
  readonly #running = new Map<string, number>()
  #total = 0
  #startedAt = -Infinity
  #started = 0

  constructor(maxPerHost: number, maxRunning: number, maxPerMinute: number) {
    this.#maxPerHost = maxPerHost
    this.#maxRunning = maxRunning
    this.#maxPerMinute = maxPerMinute
  }

  /** A function to call at the end of the request; `undefined` when a limit is reached. */
  enter(host: string): (() => void) | undefined {
    const now = performance.now()
    if (now - this.#startedAt >= MINUTE_MS) [this.#startedAt, this.#started] = [now, 0]
    const running = this.#running.get(host) ?? 0
    if (running >= this.#maxPerHost || this.#total >= this.#maxRunning || this.#started >= this.#maxPerMinute) {
      return undefined
    }
    this.#started += 1
    this.#total += 1
    this.#running.set(host, running + 1)
    return () => {
      const left = this.#running.get(host)! - 1
      this.#total -= 1
      if (left === 0) this.#running.delete(host)
      else this.#running.set(host, left)
    }
  }
}

const LOCALHOST_ADDRESSES = ['127.0.0.1', '::1']

/** These names are loopback without a lookup. (RFC 6761, section 6.3) */
function isLocalhost(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}

/**
 * A resolver of its own for each lookup, which asks name servers without the thread pool: a stranger's slow name server
 * would otherwise hold up all file access and cryptography of the process. `servers` default to those of the system.
 */
export async function resolveByDns(
  hostname: string,
  signal: AbortSignal,
  servers?: readonly string[],
): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 1_000, tries: 2 })
  if (servers) resolver.setServers(servers)
  const cancel = (): void => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const found = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
    return found.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** A lookup that answers these addresses, whatever is asked. */
function pinnedTo(addresses: readonly string[]): LookupFunction {
  const entries = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_hostname, { all }, callback) => {
    if (all === true) callback(null, entries)
    else callback(null, entries[0]!.address, entries[0]!.family)
  }
}

function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 205
}

function listed(headers: Readonly<Record<string, string | string[] | undefined>>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each]),
  )
}

/** The code of the innermost cause, not its message: messages of the HTTP client may hold received data. (SC7) */
function codeOf(error: unknown): string {
  const { name, code, cause } = (error ?? {}) as { name?: unknown; code?: unknown; cause?: unknown }
  if (typeof cause === 'object' && cause !== null) return codeOf(cause)
  return String(typeof code === 'string' ? code : name)
}
