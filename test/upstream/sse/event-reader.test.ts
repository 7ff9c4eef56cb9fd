// The reader of a server's event stream by itself: what it holds of an event that is not over.
import { jest } from '@jest/globals'
import { EventReader } from '../../../lib/upstream/sse/event-reader.ts'

test('an event that arrives byte by byte is held in few buffers, since each costs more than its byte', () => {
  const reader = new EventReader()
  const joined = jest.spyOn(Buffer, 'concat')
  const data = 'x'.repeat(400 * 1024)
  try {
    for (const byte of Buffer.from(`data: ${data}`)) reader.feed(Buffer.of(byte))
    expect(reader.feed(Buffer.from('\n\n'))).toMatchObject([{ data }])
    expect(Math.max(...joined.mock.calls.map(([pieces]) => pieces.length))).toBeLessThan(5_000)
  } finally {
    joined.mockRestore()
  }
})
