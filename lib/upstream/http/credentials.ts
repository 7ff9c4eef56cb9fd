/**
 * Calls a server's `headers` function for every exchange, and once more when the server refuses the headers with 401.
 */
import { GatewayError, type GatewayErrorCode } from '../../errors.ts'
import { brokerOf } from '../../exchange/connections.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { unlessStopped } from '../../exchange/lifetime.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { Awaitable, HttpServer } from '../../types.ts'
import { isPromise } from '../../util/awaitable.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { checkHeaders } from './target.ts'

type Headers = Readonly<Record<string, string>>
type HeadersFunction = Extract<HttpServer['headers'], (...given: never[]) => unknown>

/** Sends the exchange with these headers, as a flat list of names and values. */
type Send = (headers: readonly string[]) => Promise<Reply>

/**
 * A request that is answered 401 has not been applied (RFC 9110 section 15.5.2), so it is sent again, once. Both calls
 * of the function run in the request's own promise chain, since a callback of a pooled connection runs in the async
 * context of the request that opened the connection.
 */
export function sendWith(own: HeadersFunction, exchange: Exchange, url: string, send: Send): Promise<Reply> {
  const { principal, request, server } = exchange.origin
  const call = (refused?: Headers, challenge?: string): Awaitable<Headers> =>
    inHookTime(own({ principal, request, server, url, refused, challenge }), '"headers"')

  async function attempt(headers: Headers): Promise<Reply> {
    const sent = checkHeaders(server, headers)
    try {
      return await send(sent)
    } catch (error) {
      if (!(error instanceof RefusedCredentials) || !mayHelp(error, own)) throw error
      const answer = call(headers, error.wwwAuthenticate)
      const better = checkHeaders(server, isPromise(answer) ? await unlessStopped(exchange.life, answer) : answer)
      // Unchanged headers would be refused again, so the server's 401 is final.
      if (better.length === sent.length && better.every((part, index) => part === sent[index])) throw error
      return send(better)
    }
  }

  const answer = call()
  return isPromise(answer) ? unlessStopped(exchange.life, answer).then(attempt) : attempt(answer)
}

/** The headers that the server's config gives for this exchange on the first attempt. */
export function credentialsOf(exchange: Exchange): Awaitable<Headers | undefined> {
  const { config } = exchange
  if (!('url' in config)) return undefined
  const { headers, url } = config
  if (typeof headers !== 'function') return headers
  const { principal, request, server } = exchange.origin
  const answer = headers({ principal, request, server, url: new URL(url).href, refused: undefined })
  return isPromise(answer) ? unlessStopped(exchange.life, answer) : answer
}

/** The server refused the gateway's credentials with 401 or 403, and has not processed the request. */
export class RefusedCredentials extends GatewayError {
  readonly answered: number
  readonly wwwAuthenticate: string | undefined

  constructor({ code, message }: RefusalText, answered: number, wwwAuthenticate: string | undefined) {
    super(code, message)
    this.answered = answered
    this.wwwAuthenticate = wwwAuthenticate
  }
}

interface RefusalText {
  readonly code: GatewayErrorCode
  readonly message: string
}

/** Other credentials help after 401. More rights help after 403, where the user can be asked for them. (RFC 6750 section 3.1) */
function mayHelp({ answered, wwwAuthenticate = '' }: RefusedCredentials, own: HeadersFunction): boolean {
  if (answered === 401) return true
  return /\binsufficient_scope\b/.test(wwwAuthenticate) && brokerOf(own) !== undefined
}
