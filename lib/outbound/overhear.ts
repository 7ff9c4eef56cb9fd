/** Listens in on an event stream on its way to a client. */
import { StringDecoder } from 'node:string_decoder'
import { EVENT_STREAM_TYPE, mediaType } from '../protocol.ts'
import type { Reply } from '../types.ts'
import { createMessageReader } from '../sse/event-stream.ts'

/** Calls back with every message; the bytes go on as they are. A reply that is no stream is given back. */
export function overhear(reply: Reply, onMessage: (message: unknown) => void): Reply {
  const { status, headers, body } = reply
  if (mediaType(String(headers['content-type'])) !== EVENT_STREAM_TYPE) return reply
  const decoder = new StringDecoder()
  const reader = createMessageReader(onMessage)
  return {
    status,
    headers,
    body: {
      pipe: (sink) =>
        body.pipe({
          data(chunk) {
            reader.feed(decoder.write(chunk))
            return sink.data(chunk)
          },
          end: () => sink.end(),
          fail: (error) => sink.fail(error),
        }),
      whole: () => undefined,
      unread: (chunks) => body.unread(chunks),
      resume: () => body.resume(),
      cancel: () => body.cancel(),
      drain: () => body.drain(),
    },
  }
}
