/** A server's `headers` function: asked for every exchange, and once more when the upstream refuses what it answered. */
import { isPromise } from '../awaitable.ts'
import type { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Awaitable, Reply, ServerConfig } from '../types.ts'
import { checkHeaders } from './target.ts'

type Headers = Readonly<Record<string, string>>
type HeadersFunction = Extract<ServerConfig['headers'], (...given: never[]) => unknown>

/** Sends the exchange with these headers, flat. `refused` finds another reply where the upstream answers 401. */
type Send = (headers: readonly string[], refused?: (error: GatewayError) => Promise<Reply>) => Promise<Reply>

/** A request that is answered 401 has not been applied (RFC 9110 section 15.5.2), so the same bytes may go again: once. */
export function sendWith(own: HeadersFunction, exchange: Exchange, url: string, send: Send): Promise<Reply> {
  const { principal, request, server } = exchange
  const ask = (refused: Headers | undefined): Awaitable<Headers> => own({ principal, request, server, url, refused })

  function attempt(headers: Headers): Promise<Reply> {
    const sent = checkHeaders(server, headers)
    return send(sent, (error) => again(headers, sent, error))
  }

  /** A function that has nothing better to offer answers the same, and what the upstream said holds. */
  async function again(refused: Headers, sent: readonly string[], error: GatewayError): Promise<Reply> {
    const answer = ask(refused)
    const better = checkHeaders(server, isPromise(answer) ? await unlessStopped(exchange, answer) : answer)
    if (better.length === sent.length && better.every((part, index) => part === sent[index])) throw error
    return send(better)
  }

  const answer = ask(undefined)
  return isPromise(answer) ? unlessStopped(exchange, answer).then(attempt) : attempt(answer)
}

/** A client that has left, or a gateway that closes, waits for no vault. */
function unlessStopped<T>(exchange: Exchange, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    exchange.onStop = reject
    promise.then(resolve, reject)
  })
}
