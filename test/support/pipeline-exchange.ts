// Exchanges as the pipeline has them, made without a client and without a socket.
import { Exchange, type ExchangeParts, Origin } from '../../lib/exchange/exchange.ts'
import { Lifetime } from '../../lib/exchange/lifetime.ts'
import type { GatewayRequest, Principal, SessionRecord } from '../../lib/types.ts'

/** The record of a session with a server that gave an id. */
export const RECORD: SessionRecord = {
  server: 'weather',
  principal: 'ann',
  protocolVersion: '2025-11-25',
  upstream: { upstream: 'digest', protocolVersion: '2025-11-25', id: 'up-1' },
}

export interface ExchangeOptions extends Partial<Omit<ExchangeParts, 'origin'>> {
  readonly principal?: Principal | undefined
  readonly request?: GatewayRequest | undefined
  /** The id of the session that it is in. */
  readonly session?: string | undefined
}

/** An exchange of a legacy client: a GET unless there is a message. */
export function exchangeOf({ principal, request, session, ...parts }: ExchangeOptions = {}): Exchange {
  const origin = new Origin({
    server: 'weather',
    principal,
    request,
    era: 'legacy',
    session: session === undefined ? undefined : { id: session, record: RECORD, keep: async () => {} },
    accepts: { json: true, events: true },
    response: undefined,
  })
  return new Exchange({
    origin,
    life: new Lifetime(),
    config: { url: 'http://127.0.0.1/' },
    path: ['weather'],
    verb: parts.message ? 'POST' : 'GET',
    message: undefined,
    state: session === undefined ? undefined : RECORD.upstream,
    headers: {},
    ...parts,
  })
}
