/** Hands a reply on to the client: at once what is all there, the rest as it comes. */
import type { ServerResponse } from 'node:http'
import type { Body } from '../exchange/body.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { cancelReply, type EventsReply, type JsonReply, type Reply } from '../exchange/reply.ts'
import { DocumentWriter } from './document-writer.ts'
import { clientHeaders } from './response-headers.ts'
import { StreamWriter } from './stream-writer.ts'
import type { Relayed, RelayOptions } from './writer.ts'

/** A promise when it goes on for a while. Throws when the exchange was stopped before. */
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

/** A stream that was over before it could be relayed goes out at once, if it leaves no request without a response. */
function wholeOf(reply: JsonReply | EventsReply): Buffer | undefined {
  const whole = reply.body.whole()
  if (!whole || reply.kind === 'json' || reply.pending().length === 0) return whole
  giveBack(reply.body, whole)
  return undefined
}

function giveBack(body: Body, whole: Buffer): void {
  body.unread(whole.length > 0 ? [whole] : [])
}

function write(reply: JsonReply | EventsReply, relayed: Relayed, options: RelayOptions): void {
  const writer =
    reply.kind === 'events'
      ? new StreamWriter(reply, relayed, options)
      : new DocumentWriter(reply.body, relayed, options)
  writer.start(reply.status, clientHeaders(reply))
}
