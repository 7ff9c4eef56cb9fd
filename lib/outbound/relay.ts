/** Hands a reply on to the client: at once what is all there, the rest as it comes. */
import type { Exchange } from '../exchange.ts'
import { EVENT_STREAM_TYPE, mediaType } from '../protocol.ts'
import type { Awaitable, Reply } from '../types.ts'
import { DocumentWriter } from './document-writer.ts'
import { Framer } from '../sse/event-stream.ts'
import { Owed } from '../sse/owed.ts'
import { StreamWriter, streamHeaders } from './stream-writer.ts'
import type { Desk, Headers } from './writer.ts'

/** Done when nothing of the reply is left to do. Throws when the exchange was stopped before. */
export function relay({ status, body }: Reply, headers: Headers, desk: Omit<Desk, 'body' | 'settle'>): Awaitable<void> {
  const { exchange, response } = desk
  if (exchange.stopped) {
    body.cancel()
    throw exchange.stopped
  }
  const isStream = mediaType(headers['content-type']) === EVENT_STREAM_TYPE
  const whole = body.whole()
  if (whole && (!isStream || isAnswered(whole, exchange))) {
    if (response.destroyed) return undefined
    response.writeHead(status, isStream ? streamHeaders(headers) : { ...headers, 'content-length': whole.length })
    response.end(whole)
    return undefined
  }
  if (whole) body.unread([whole])
  return new Promise((settle) => {
    const Kind = isStream ? StreamWriter : DocumentWriter
    new Kind({ ...desk, body, settle }).start(status, headers)
  })
}

/** A stream that was over before it could be relayed, and owes nothing. */
function isAnswered(stream: Buffer, { waiting }: Exchange): boolean {
  const owed = new Owed(waiting)
  const framer = new Framer()
  const [whole] = framer.feed(stream)
  owed.see([stream], framer.atBoundary)
  return owed.ids.length === 0 && whole?.length === stream.length
}
