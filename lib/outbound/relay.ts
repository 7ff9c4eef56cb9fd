/** Relays a reply to the client: in one write if it is complete, or else as it arrives. */
import type { ServerResponse } from 'node:http'
import type { Exchange } from '../exchange/exchange.ts'
import { cancelReply, type EventsReply, type JsonReply, type Reply, wholeOf } from '../exchange/reply.ts'
import { DocumentWriter } from './document-writer.ts'
import { clientHeaders } from './response-headers.ts'
import { StreamWriter } from './stream-writer.ts'
import type { Relayed, RelayOptions } from './writer.ts'

/** Returns a promise if the reply is not complete yet. Throws if the exchange was stopped before. */
export function relay(
  reply: Reply,
  exchange: Exchange,
  response: ServerResponse,
  options: RelayOptions,
): Promise<void> | undefined {
  if (exchange.life.stopped) cancelReply(reply, exchange.life.stopped)
  if (reply.kind === 'empty') {
    options.send(response, reply.status, clientHeaders(reply), undefined, exchange.origin)
    return undefined
  }
  const whole = wholeOf(reply)
  if (!whole) return new Promise((settle) => write(reply, { exchange, response, settle }, options))
  if (response.destroyed) return undefined
  options.send(response, reply.status, clientHeaders(reply, whole.length), whole, exchange.origin)
  return undefined
}

function write(reply: JsonReply | EventsReply, relayed: Relayed, options: RelayOptions): void {
  const writer =
    reply.kind === 'events'
      ? new StreamWriter(reply, relayed, options)
      : new DocumentWriter(reply.body, relayed, options)
  writer.start(reply.status, clientHeaders(reply))
}
