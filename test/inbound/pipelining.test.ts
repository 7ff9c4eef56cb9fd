// Requests that are pipelined on a real connection are served one after the other, or not at all.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { InboundRequest } from '../../lib/inbound/inbound-request.ts'
import { serveInTurn } from '../../lib/inbound/pipelining.ts'
import { createJournal } from '../support/journal.ts'
import { listen } from '../support/listen.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanUp) => cleanUp()))
})

const context = new AsyncLocalStorage<string>()

/** Sends so many requests at once; gives what is served, in whose context, and how the connection ends. */
async function pipeline(requests: number) {
  const served = createJournal<{ url: string; context: string | undefined; response: ServerResponse }>()
  const { origin, close } = await listen((request, response) => {
    const { url = '' } = request
    context.run(url, () =>
      serveInTurn(new InboundRequest(request, response, 'a'), () =>
        served.record({ url, context: context.getStore(), response }),
      ),
    )
  })
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  cleanups.push(async () => {
    socket.destroy()
    await close()
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => void socket.resume().once('close', () => resolve()))
  const heads = Array.from({ length: requests }, (_, index) => `GET /${index} HTTP/1.1\r\nhost: a\r\n\r\n`)
  socket.write(heads.join(''))
  return { served, closed }
}

test('each is served when the response before it is complete, in its own async context', async () => {
  const { served } = await pipeline(3)
  for (const url of ['/0', '/1', '/2']) {
    const next = await served.next()
    await new Promise((resolve) => void setTimeout(resolve, 20))
    expect(next).toMatchObject({ url, context: url })
    expect(served.entries.at(-1)).toBe(next)
    next.response.end()
  }
})

test('none is served behind a response that closes the connection', async () => {
  const { served, closed } = await pipeline(2)
  const { response } = await served.next()
  response.writeHead(200, { connection: 'close' }).end()
  await closed
  expect(served.entries.map(({ url }) => url)).toEqual(['/0'])
})

test('SC6 so many may wait on a connection; past that it is closed', async () => {
  const some = await pipeline(257)
  ;(await some.served.next()).response.end()
  expect(await some.served.next()).toMatchObject({ url: '/1' })
  const many = await pipeline(258)
  await many.closed
  expect(many.served.entries.map(({ url }) => url)).toEqual(['/0'])
})
