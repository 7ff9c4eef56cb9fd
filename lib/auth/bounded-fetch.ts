/** fetch() that cannot be led astray: encrypted, without redirects, within a size. (SC4) */

/** The longest answer that is read, in bytes: metadata and tokens have a few thousand. */
const MAX_BYTES = 256 * 1024

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** It does not answer now, and may in a moment. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}

/** Every name that leads to the same machine, also those that no certificate has. */
const THIS_MACHINE =
  /^(?:(?:.+\.)?localhost\.?|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\]|\[::ffff:(?:7f[\da-f]{2}|0):[\da-f]+\])$/

/** Whether a URL leads to the same machine by its very host name. */
export function isOnThisMachine({ hostname }: URL): boolean {
  return THIS_MACHINE.test(hostname)
}

/** `https:`, or a server on the same machine. */
export function isSafe(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))
}

/** The whole answer; a redirect comes back as it is. */
export async function boundedFetch(url: string, init: RequestInit): Promise<Response> {
  if (!isSafe(new URL(url))) throw new Error(`${url} is not asked, since it is not https:`)
  const [{ status, headers }, body] = await read(url, init)
  if (body === undefined) throw new Error(`${url} answered more than ${MAX_BYTES} bytes`)
  if (status >= 500 || status === 408 || status === 429) throw new Unavailable(`${url} answered ${status}`)
  return new Response(body.length === 0 ? null : body, { status, headers })
}

/** Without a body where it is too long. */
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

/** The code of the innermost cause: errors of the HTTP client may hold what the other side has sent. (SC7) */
function failureOf(error: unknown): string {
  const { name, code, cause } = error as { name?: unknown; code?: unknown; cause?: unknown }
  if (typeof cause === 'object' && cause !== null) return failureOf(cause)
  return String(typeof code === 'string' ? code : name)
}
