/** Streamable HTTP over undici: sends an exchange to its upstream, gives back the reply as soon as its head is there. */
import { Agent, buildConnector, Client, type Dispatcher } from 'undici'
import { GatewayError } from '../errors.ts'
import type { Exchange, Handle } from '../exchange.ts'
import type { OnOutcome } from '../inside.ts'
import { HEADER, JSON_TYPE } from '../protocol.ts'
import type { Reply } from '../types.ts'
import { sendWith } from './credentials.ts'
import { type Target, targetOf } from './target.ts'
import { UpstreamReply } from './upstream-reply.ts'
import { type Asked, verdict } from './verdict.ts'

export interface UpstreamTimeouts {
  readonly connectMs: number
  readonly responseMs: number
}

/** How long an upstream may take to hear what it need not answer. */
const NOTICE_MS = 5_000

export class HttpUpstream {
  readonly #options: Client.Options
  readonly #responseMs: number
  /** Connections for calls, shared and kept alive per origin; idle ones close by themselves. */
  readonly #calls: Agent
  /** Who listens has a connection of their own, closed with it: thousands of idle ones never slow a call down. */
  readonly #streams = new Set<Client>()
  #onOutcome: OnOutcome | undefined

  constructor({ connectMs, responseMs }: UpstreamTimeouts) {
    this.#responseMs = responseMs
    // SE17: by default undici ends a stream that is quiet for 300 s.
    this.#options = { connect: buildConnector({ timeout: connectMs }), bodyTimeout: 0, headersTimeout: 0 }
    this.#calls = new Agent(this.#options)
  }

  /** Rejects with a GatewayError for whatever is not a reply to relay. */
  readonly send: Handle = (exchange) => {
    const target = targetOf(exchange.server, exchange.config)
    const own = exchange.config.headers
    if (typeof own !== 'function') return this.#dispatch(exchange, target, [])
    return sendWith(own, exchange, target.url, (headers, refused) => this.#dispatch(exchange, target, headers, refused))
  }

  /** From now on tells how each exchange went. Without a watcher it costs nothing. */
  watch(onOutcome: OnOutcome): void {
    const before = this.#onOutcome
    this.#onOutcome = (config, hasAnswered) => {
      before?.(config, hasAnswered)
      onOutcome(config, hasAnswered)
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#calls.destroy(), ...Array.from(this.#streams, (client) => client.destroy())])
  }

  /** `refused` may find another reply where the upstream answers 401. */
  #dispatch(
    exchange: Exchange,
    target: Target,
    credentials: readonly string[],
    refused?: (error: GatewayError) => Promise<Reply>,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const client = exchange.listens ? this.#openStream(target.origin) : undefined
      const settle = (reply: UpstreamReply): void => {
        const error = verdict(asked(exchange), reply)
        this.#onOutcome?.(exchange.config, reply.status < 500 && error?.code !== 'upstream_invalid')
        if (!error) return resolve(reply)
        reply.drain()
        if (refused && reply.status === 401) resolve(refused(error))
        else reject(error)
      }
      const fail = (error: Error): void => {
        // Who stopped waiting says nothing of the upstream, unless it was for too long.
        const { stopped } = exchange
        if (!stopped || stopped.code === 'upstream_timeout') this.#onOutcome?.(exchange.config, false)
        reject(stopped ?? describe(error, reply.isSent))
      }
      const reply = new UpstreamReply(settle, fail)
      exchange.onStop = (error) => reply.abort(error)
      const dispatcher: Dispatcher = client ?? this.#calls
      dispatcher.dispatch(
        {
          origin: target.origin,
          path: target.path,
          method: exchange.method,
          headers: headersOf(exchange, target, credentials),
          body: exchange.body ?? null,
          headersTimeout: this.#patienceMs(exchange),
        },
        reply,
      )
    })
  }

  /** A stream may begin late, since nothing may have happened yet; a notice of our own keeps nobody waiting. */
  #patienceMs({ listens, message }: Exchange): number {
    if (listens) return 0
    return message === undefined ? Math.min(this.#responseMs || NOTICE_MS, NOTICE_MS) : this.#responseMs
  }

  #openStream(origin: string): Client {
    const client = new Client(origin, this.#options)
    this.#streams.add(client)
    client.once('disconnect', () => this.#closeStream(client))
    client.once('connectionError', () => this.#closeStream(client))
    return client
  }

  #closeStream(client: Client): void {
    this.#streams.delete(client)
    client.destroy().catch(() => {})
  }
}

function headersOf(exchange: Exchange, target: Target, credentials: readonly string[]): string[] {
  const headers = [...target.headers, ...credentials]
  for (const name in exchange.headers) headers.push(name, exchange.headers[name]!)
  if (exchange.method === 'POST') headers.push('content-type', JSON_TYPE)
  const upstreamSession = exchange.session?.record.upstream
  if (upstreamSession !== undefined) headers.push(HEADER.sessionId, upstreamSession)
  return headers
}

function asked({ method, session, era, isAnswered }: Exchange): Asked {
  const inSession = session?.record.upstream !== undefined
  return { expects: method === 'GET' ? 'stream' : isAnswered ? 'answer' : 'acceptance', era, inSession }
}

/** Connecting failed, the answer came too late, or the connection broke before it came. */
function describe(error: Error & { readonly code?: string }, isSent: boolean): GatewayError {
  if (error.code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new GatewayError('upstream_timeout', 'The upstream did not answer in time', { cause: error })
  }
  return isSent
    ? new GatewayError('upstream_broken', 'The connection to the upstream broke before it answered', { cause: error })
    : new GatewayError('upstream_unreachable', 'The upstream cannot be reached', { cause: error })
}
