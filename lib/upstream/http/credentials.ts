/** A server's `headers` function: asked for every exchange, and once more when the server refuses what it answered. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { Awaitable, HttpServer } from '../../types.ts'
import { isPromise } from '../../util/awaitable.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { checkHeaders } from './target.ts'

type Headers = Readonly<Record<string, string>>
type HeadersFunction = Extract<HttpServer['headers'], (...given: never[]) => unknown>

/** Sends the exchange with these headers, flat. */
type Send = (headers: readonly string[]) => Promise<Reply>

/**
 * A request that is answered 401 has not been applied (RFC 9110 section 15.5.2), so the same bytes may go again: once.
 * The function is called behind an `await` of the request's own chain, both times: a callback of a pooled connection
 * runs in the async context of whoever opened that.
 */
export function sendWith(own: HeadersFunction, exchange: Exchange, url: string, send: Send): Promise<Reply> {
  const { principal, request, server } = exchange.origin
  const ask = (refused: Headers | undefined): Awaitable<Headers> =>
    inHookTime(own({ principal, request, server, url, refused }), '"headers"')

  async function attempt(headers: Headers): Promise<Reply> {
    const sent = checkHeaders(server, headers)
    try {
      return await send(sent)
    } catch (error) {
      if (!(error instanceof RefusedCredentials)) throw error
      const answer = ask(headers)
      const better = checkHeaders(server, isPromise(answer) ? await unlessStopped(exchange, answer) : answer)
      // A function that has nothing better to offer answers the same, and what the server said holds.
      if (better.length === sent.length && better.every((part, index) => part === sent[index])) throw error
      return send(better)
    }
  }

  const answer = ask(undefined)
  return isPromise(answer) ? unlessStopped(exchange, answer).then(attempt) : attempt(answer)
}

/** The headers of its config that a server is sent for this exchange, before it has refused any. */
export function credentialsOf(exchange: Exchange): Awaitable<Headers | undefined> {
  const { config } = exchange
  if (!('url' in config)) return undefined
  const { headers, url } = config
  if (typeof headers !== 'function') return headers
  const { principal, request, server } = exchange.origin
  const answer = headers({ principal, request, server, url: new URL(url).href, refused: undefined })
  return isPromise(answer) ? unlessStopped(exchange, answer) : answer
}

/** The server refused the gateway's credentials (401), unprocessed. */
export class RefusedCredentials extends GatewayError {}

/** A client that has left, or a gateway that closes, waits for no vault. */
function unlessStopped<T>({ life }: Exchange, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const off = life.onStop(reject)
    promise.then(resolve, reject).finally(off)
  })
}
