/** fetch() with the limits of requests to issuers: HTTPS alone, no redirects, a bounded response body. (SC4) */

/** The largest response body, in bytes: metadata and tokens have a few thousand. */
const MAX_BYTES = 256 * 1024

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** A failure that may be temporary: no response, 5xx, 408 or 429. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}

/** Every host name of the local machine, including those that no certificate can have. */
const THIS_MACHINE =
  /^(?:(?:.+\.)?localhost\.?|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\]|\[::ffff:(?:7f[\da-f]{2}|0):[\da-f]+\])$/

/** Whether the host name of a URL is one of the local machine, without a DNS lookup. */
export function isOnThisMachine({ hostname }: URL): boolean {
  return THIS_MACHINE.test(hostname)
}

/** Whether a URL is `https:`, or `http:` on the local machine. */
export function isSafe(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))
}

/**
 * The response with its whole body; a redirect is returned, not followed. Rejects with `Unavailable` for a temporary
 * failure, and with an Error for a URL that is not safe and for a body that is too large.
 */
export async function boundedFetch(url: string, init: RequestInit): Promise<Response> {
  if (!isSafe(new URL(url))) throw new Error(`${url} is not asked, since it is not https:`)
  const [{ status, headers }, body] = await read(url, init)
  if (body === undefined) throw new Error(`${url} answered more than ${MAX_BYTES} bytes`)
  if (status >= 500 || status === 408 || status === 429) throw new Unavailable(`${url} answered ${status}`)
  return new Response(body.length === 0 ? null : body, { status, headers })
}

/** The response, and its body unless that is too large. */
async function read(url: string, init: RequestInit): Promise<readonly [Response, Buffer?]> {
  try {
    const response = await fetch(url, { ...init, redirect: 'manual' })
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length
      if (bytes > MAX_BYTES) return [response]
      chunks.push(chunk)
    }
    return [response, Buffer.concat(chunks)]
  } catch (error) {
    throw new Unavailable(`${url} did not answer: ${failureOf(error)}`)
  }
}

/** The code of the innermost cause, not its message: messages of the HTTP client may hold received data. (SC7) */
function failureOf(error: unknown): string {
  const { name, code, cause } = error as { name?: unknown; code?: unknown; cause?: unknown }
  if (typeof cause === 'object' && cause !== null) return failureOf(cause)
  return String(typeof code === 'string' ? code : name)
}
