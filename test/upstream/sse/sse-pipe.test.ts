// The pipe over HTTP+SSE by itself: how much waits in it, either way.
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Eras } from '../../../lib/upstream/eras.ts'
import { HttpTransport } from '../../../lib/upstream/http/http-transport.ts'
import { SsePipe } from '../../../lib/upstream/sse/sse-pipe.ts'
import { SseRequests } from '../../../lib/upstream/sse/sse-requests.ts'
import { createJournal, type Journal } from '../../support/journal.ts'
import { listen, type Listening } from '../../support/listen.ts'

let server: Listening
let transport: HttpTransport
let stream: ServerResponse
let posts: Journal<ServerResponse>

beforeEach(async () => {
  posts = createJournal()
  server = await listen((req, res) => {
    if (req.method === 'POST') return void req.resume().once('end', () => posts.record(res))
    stream = res
    res.setHeader('content-type', 'text/event-stream')
    res.write('event: endpoint\ndata: /m\n\n')
  })
  transport = new HttpTransport({ connectMs: 5_000, responseMs: 0 }, new Eras())
})

afterEach(async () => {
  await transport.close()
  await server.close()
})

function open(): Promise<SsePipe> {
  const requests = new SseRequests('here', new URL(`${server.origin}/sse`), undefined, transport)
  return SsePipe.open(requests, { principal: undefined, server: 'here', era: 'legacy' })
}

test('it is full with 100 messages on their way, until one is taken', async () => {
  const pipe = await open()
  const drained = new Promise<void>((resolve) => (pipe.onDrain = resolve))
  const sent = Array.from({ length: 100 }, (_, id) => pipe.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'x' })))
  expect(sent.slice(0, 99)).not.toContain(false)
  expect(sent[99]).toBe(false)
  ;(await posts.next()).writeHead(202).end()
  await drained
  expect(pipe.send('{"jsonrpc":"2.0","id":100,"method":"x"}')).toBe(false)
  await pipe.close()
})

test('it is full with 4 Mi characters on their way', async () => {
  const pipe = await open()
  const big = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'x', params: { x: 'x'.repeat(2_500_000) } })
  expect([pipe.send(big), pipe.send(big)]).toEqual([true, false])
  await pipe.close()
})

test('paused it says nothing, and its server has to wait; resumed it says everything, in order', async () => {
  const pipe = await open()
  const said = createJournal<number>()
  pipe.onMessage = (text) => said.record((JSON.parse(text) as { id: number }).id)
  pipe.pause()
  const filling = 'x'.repeat(100_000)
  const EVENTS = 300
  for (let id = 0; id < EVENTS; id += 1) stream.write(`data: ${JSON.stringify({ id, filling })}\n\n`)
  await sleep(200)
  expect(said.entries).toEqual([])
  // Thirty megabytes, of which the sockets between take a few.
  expect(stream.writableNeedDrain).toBe(true)
  pipe.resume()
  await said.next((id) => id === EVENTS - 1)
  expect(said.entries).toEqual(Array.from({ length: EVENTS }, (_, id) => id))
  await pipe.close()
})

test('closed it gives up what is under way, says nothing more, and takes whatever it is told', async () => {
  const pipe = await open()
  let isSaid = false
  pipe.onMessage = pipe.onClose = () => (isSaid = true)
  pipe.send('{"jsonrpc":"2.0","id":1,"method":"x"}')
  const post = await posts.next()
  const gone = new Promise((resolve) => void post.once('close', resolve))
  await pipe.close()
  await gone
  expect(pipe.send('{"jsonrpc":"2.0","id":2,"method":"x"}')).toBe(true)
  stream.write('data: {"id":1}\n\n')
  await sleep(50)
  expect(isSaid).toBe(false)
})

test('a server that talks before it has named its endpoint is heard a little, then given up', async () => {
  const talker = await listen((_, res) => {
    res.setHeader('content-type', 'text/event-stream')
    const talk = (): void => {
      while (!res.destroyed && res.write('data: {}\n\n'.repeat(1_000)));
    }
    res.on('drain', talk)
    talk()
  })
  try {
    const requests = new SseRequests('here', new URL(`${talker.origin}/sse`), undefined, transport)
    const opening = SsePipe.open(requests, { principal: undefined, server: 'here', era: 'legacy' })
    await expect(opening).rejects.toMatchObject({ code: 'upstream_invalid' })
  } finally {
    await talker.close()
  }
})
