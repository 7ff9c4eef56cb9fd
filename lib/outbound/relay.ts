/** Hands a reply on to the client: at once what is all there, the rest as it comes. */
import type { Body } from '../exchange/body.ts'
import { cancelReply, type EventsReply, type JsonReply, type Reply } from '../exchange/reply.ts'
import { DocumentWriter } from './document-writer.ts'
import { clientHeaders, type Headers } from './response-headers.ts'
import { StreamWriter, streamHeaders } from './stream-writer.ts'
import type { RelayOptions } from './writer.ts'

/** A promise when it goes on for a while. Throws when the exchange was stopped before. */
export function relay(reply: Reply, options: RelayOptions): Promise<void> | undefined {
  const { exchange, response } = options
  if (exchange.life.stopped) cancelReply(reply, exchange.life.stopped)
  const headers = clientHeaders(reply)
  if (reply.kind === 'empty') {
    response.writeHead(reply.status, headers).end()
    return undefined
  }
  const whole = wholeOf(reply)
  if (whole) {
    if (response.destroyed) return undefined
    const length = { 'content-length': whole.length }
    response.writeHead(reply.status, reply.kind === 'events' ? streamHeaders(headers) : { ...headers, ...length })
    response.end(whole)
    return undefined
  }
  return write(reply, headers, options)
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

function write(reply: JsonReply | EventsReply, headers: Headers, options: RelayOptions): Promise<void> {
  return new Promise((settle) => {
    const writer =
      reply.kind === 'events'
        ? new StreamWriter(reply, options, settle)
        : new DocumentWriter(reply.body, options, settle)
    writer.start(reply.status, headers)
  })
}
