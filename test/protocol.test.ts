// What the wire calls things.
import { EVENT_STREAM_TYPE, mediaType } from '../lib/protocol.ts'

test.each([
  'text/event-stream',
  'Text/Event-Stream; charset=UTF-8',
  'TEXT/EVENT-STREAM;charset=utf-8',
  ' text/event-stream ; a=b; c=d',
])('%j is the media type of an event stream, as HTTP writes it, in any case (HD20)', (value) => {
  expect(mediaType(value)).toBe(EVENT_STREAM_TYPE)
})

test.each([undefined, '', ';', 'text/event-streams', 'application/json; x=text/event-stream'])(
  '%j is none',
  (value) => {
    expect(mediaType(value)).not.toBe(EVENT_STREAM_TYPE)
  },
)
