// Listening in on a stream: messages are heard once, and the bytes go on as they are.
import type { Reply } from '../../lib/exchange/reply.ts'
import { tapMessages } from '../../lib/exchange/tap-messages.ts'
import { collect, emptyReply, eventOf, jsonReply, progress, resultOf, Source } from './parts.ts'

const changed = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }

/** A stream that is listened in on, with what was heard. */
function tapped(isOfInterest: (event: Buffer) => boolean = () => true) {
  const source = new Source()
  const heard: unknown[] = []
  const reply = tapMessages(source.reply(), isOfInterest, (message) => heard.push(message))
  return { source, heard, reply: reply as Extract<Reply, { kind: 'events' }>, sink: collect(reply) }
}

test('each message is heard before its bytes go on, as they are', () => {
  const { source, heard, sink } = tapped()
  const stream = eventOf(progress(1), '1') + eventOf(changed).replaceAll('\n', '\r\n') + eventOf(resultOf())
  sink.onData = () => expect(heard).toEqual([progress(1), changed, resultOf()])
  source.say(stream)
  expect([sink.bytes.toString(), sink.boundaries]).toEqual([stream, [stream.length]])
})

test('events of no interest are not read', () => {
  const { source, heard } = tapped((event) => event.includes('list_changed'))
  source.say(eventOf(progress(1)) + eventOf(changed) + eventOf(resultOf()))
  expect(heard).toEqual([changed])
})

test('what is no message is passed over', () => {
  const { source, heard } = tapped()
  source.say(`: ping\n\nid: 7\ndata: \n\ndata: no JSON\n\n${eventOf(changed)}`)
  expect(heard).toEqual([changed])
})

test('a message in pieces is heard once it is whole', () => {
  const { source, heard } = tapped()
  const event = eventOf(changed)
  for (const at of [0, 10, 20]) {
    source.say(event.slice(at, at + 10), false)
    expect(heard).toEqual([])
  }
  source.say(event.slice(30))
  expect(heard).toEqual([changed])
})

describe('a message that is too long to be looked at', () => {
  const giant = eventOf({ ...progress(1), data: 'x'.repeat(3 * 1024 * 1024) })

  test('goes by, and those that follow are heard, also in the stretch that ends it', () => {
    const { source, heard, sink } = tapped()
    for (let at = 0; at < giant.length - 10; at += 500_000)
      source.say(giant.slice(at, Math.min(at + 500_000, giant.length - 10)), false)
    source.say(giant.slice(-10) + eventOf(changed))
    source.say(eventOf(resultOf()))
    expect(heard).toEqual([changed, resultOf()])
    expect(sink.bytes).toHaveLength(giant.length + eventOf(changed).length + eventOf(resultOf()).length)
  })

  test('is over where its blank line is, however that is cut', () => {
    for (const cut of [1, 2, 3, 4]) {
      const { source, heard } = tapped()
      const crlf = giant.replaceAll('\n', '\r\n')
      source.say(crlf.slice(0, -cut), false)
      source.say(crlf.slice(-cut) + eventOf(changed))
      expect({ cut, heard }).toEqual({ cut, heard: [changed] })
    }
  })
})

test('a message whose bytes were given back is heard once', () => {
  const { source, heard, reply, sink } = tapped()
  source.say(eventOf(progress(1)))
  source.say(eventOf(changed))
  reply.body.unread([...sink.chunks])
  sink.isLetGo = true
  const next = collect(reply)
  source.say(eventOf(resultOf()))
  expect(heard).toEqual([progress(1), changed, resultOf()])
  expect(next.bytes.toString()).toBe(eventOf(progress(1)) + eventOf(changed) + eventOf(resultOf()))
})

test('a reply that is no stream is given back as it is', () => {
  const json = jsonReply('{}')
  for (const reply of [json, emptyReply])
    expect(
      tapMessages(
        reply,
        () => true,
        () => {},
      ),
    ).toBe(reply)
})
