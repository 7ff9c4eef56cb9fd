// Who writes a listening stream whose client has left before the server answers.
import { GatewayError } from '../../../lib/errors.ts'
import { InFlight } from '../../../lib/exchange/in-flight.ts'
import type { EventsReply, Handle } from '../../../lib/exchange/reply.ts'
import { MemoryEventLog } from '../../../lib/index.ts'
import { EventLogLayer } from '../../../lib/layers/event-log/event-log-layer.ts'
import { MemoryUpstream } from '../../support/memory-upstream.ts'
import { exchangeOf } from '../../support/pipeline-exchange.ts'

const left = new GatewayError('bad_request', 'The client went away')

test('a listening stream that comes after its client has left is let go, and the next client gets one of its own (SE10)', async () => {
  const log = new MemoryEventLog()
  const layer = new EventLogLayer(log, { report: () => {}, inFlight: new InFlight() })
  const upstream = new MemoryUpstream()
  upstream.sessions.add('up-1')
  upstream.on('GET', (asked) => void asked.events())

  const first = exchangeOf({ session: 's' })
  const late: Handle = async (exchange) => {
    const reply = await upstream.send(exchange)
    first.life.stop(left)
    return reply
  }
  await expect(layer.handle(first, late)).rejects.toBe(left)
  const early = await upstream.asked.next()
  await early.stopped

  const reply = (await layer.handle(exchangeOf({ session: 's' }), upstream.send)) as EventsReply
  const said = new Promise<string>((resolve) => {
    let text = ''
    const data = (chunk: Buffer): boolean => {
      text += chunk.toString()
      if (text.includes('hello')) resolve(text)
      return true
    }
    reply.body.pipe({ data, end: () => {} })
  })
  const second = await upstream.asked.next()
  second.events().say({ jsonrpc: '2.0', method: 'notifications/message', params: { data: 'hello' } })
  expect(await said).toContain('hello')
  reply.body.cancel()
  await layer.close()
  log.close()
})
