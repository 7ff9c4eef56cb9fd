// With an event log, at its limits: giant events, and clients that do not read.
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { MemoryEventLog } from '../../../lib/index.ts'
import { initialize } from '../../support/rpc.ts'
import {
  answer,
  begin,
  call,
  closeAfterEach,
  gateway,
  gone,
  leave,
  progress,
  responses,
  rest,
  resume,
  settle,
  setUp,
  upstream,
} from './setup.ts'

const KiB = 1024
const MiB = 1024 * KiB

closeAfterEach()

describe('an event of more than 16 MiB', () => {
  const giant = 'x'.repeat(17 * MiB)

  /** A call whose client looks at bytes, which is quicker with so many of them. */
  async function beginRaw() {
    const session = await initialize(gateway.url('a'))
    const headers = { ...session.headers, accept: 'text/event-stream, application/json' }
    const sent = request(session.url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } })
    sent.end(JSON.stringify(call))
    const asked = await upstream.nextRequest('tools/call')
    const stream = asked.stream()
    const [res] = (await once(sent, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    let count = 0
    let tail = ''
    res.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      count += chunk.length
      tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - KiB))).slice(-KiB)
    })
    /** Looks at the number of bytes and the last of them, since all of them at each chunk would take long. */
    const until = async (isThere: (count: number, tail: string) => boolean): Promise<void> => {
      while (!isThere(count, tail)) await once(res, 'data')
    }
    const text = (): string => Buffer.concat(chunks).toString()
    await until((_, last) => last.includes('\n\n'))
    const [, id] = /^id: (.*)$/m.exec(text())!
    const client = { until, text, close: () => res.destroy() }
    return { session, client, asked, stream, id: id! }
  }

  test('reaches the client that is there, and what comes behind it can be resumed', async () => {
    await setUp()
    const { session, client, stream, asked } = await beginRaw()
    await stream.send(progress(1, giant))
    await stream.send(progress(2))
    await client.until((_, tail) => tail.includes('"step":2'))
    const [, id, ...others] = [...client.text().matchAll(/^id: (.*)$/gm)].map(([, each]) => each!)
    expect([id, others]).toEqual([expect.stringMatching(/\.3$/), []])
    expect(
      client
        .text()
        .match(/x+/g)!
        .filter(({ length }) => length === giant.length),
    ).toHaveLength(1)
    client.close()
    await stream.send(answer)
    stream.end()
    await asked.over
    expect(await rest(await resume(session, id!))).toEqual([answer])
  })

  test.each([
    ['before anything else came', []],
    ['when more had come', [progress(2)]],
  ])('is told of to a client that missed it and is back %s (SE8)', async (_, more) => {
    await setUp()
    const { session, client, stream, id } = await begin()
    await leave(client)
    await stream.send(progress(1, giant))
    for (const message of more) await stream.send(message)
    await settle()
    expect(await rest(await resume(session, id))).toMatchObject([gone])
    await stream.send(answer)
    stream.end()
    await settle()
    expect(await rest(await resume(session, id))).toMatchObject([gone])
  })

  test('is told of, too, when it is the answer itself (SE8)', async () => {
    await setUp()
    const { session, client, stream, asked, id } = await begin()
    await leave(client)
    await stream.send({ ...answer, result: { giant } })
    stream.end()
    await asked.over
    await settle()
    expect(await rest(await resume(session, id))).toMatchObject([gone])
  })

  test('comes once where the upstream breaks behind it and could send it again (SE7)', async () => {
    await setUp()
    const { client, stream, asked } = await beginRaw()
    upstream.once('GET', async (exchange) => {
      await exchange.stream().send(answer, { id: 'u-3' })
      exchange.stream().end()
    })
    await stream.write('id: u-1\nretry: 1\ndata: \n\n')
    await stream.send(progress(1, giant), { id: 'u-2' })
    await client.until((count) => count > giant.length)
    asked.cut()
    await client.until((_, tail) => tail.includes('"result"'))
    expect(client.text().match(/"id":"call-1"/g)).toHaveLength(1)
    expect(upstream.requests('GET').map(({ headers }) => headers['last-event-id'])).toEqual(['u-2'])
  })

  test('that breaks off is a broken connection for its client, and told of when it comes back', async () => {
    await setUp()
    const { session, client, stream, asked, id } = await beginRaw()
    await stream.write(`data: {"params":"${giant}`)
    await client.until((count) => count > giant.length)
    asked.cut()
    await expect(client.until(() => false)).rejects.toThrow('aborted')
    expect(await rest(await resume(session, id))).toMatchObject([gone])
  })

  test('but a shorter one is kept whole where the log has room', async () => {
    await setUp(new MemoryEventLog({ maxBytes: 64 * MiB }))
    const { session, client, stream, asked, id } = await begin()
    await leave(client)
    const large = giant.slice(0, 4 * MiB)
    await stream.send({ ...answer, result: { large } })
    stream.end()
    await asked.over
    expect(await rest(await resume(session, id))).toEqual([{ ...answer, result: { large } }])
  })
})

describe('a client that does not read', () => {
  const chunk = progress(1, 'x'.repeat(64 * KiB))

  test('and comes back makes nothing ready for itself that it does not take (SE16)', async () => {
    await setUp(new MemoryEventLog({ maxBytes: 64 * MiB, maxTotalBytes: 64 * MiB }))
    const { session, client, stream, asked, id } = await begin()
    await leave(client)
    for (let step = 0; step < 200; step += 1) await stream.send(chunk)
    await stream.send(answer)
    stream.end()
    await asked.over
    const slow = await resume(session, id)
    slow.res.pause()
    const response = responses.entries.at(-1)!
    while (!response.writableNeedDrain) await settle(1)
    await settle(20)
    expect(response.writableLength).toBeLessThan(256 * KiB)
    slow.res.resume()
    expect(await rest(slow)).toHaveLength(201)
  })

  test('and is replaced holds up neither the upstream nor who comes after it (SE10, SE16)', async () => {
    await setUp(new MemoryEventLog({ maxBytes: 64 * MiB, maxTotalBytes: 64 * MiB }))
    const { session, client, stream, asked, id } = await begin()
    client.res.pause()
    let sent = 0
    while (!asked.res.writableNeedDrain || sent < 100) {
      asked.res.write(`data: ${JSON.stringify(chunk)}\n\n`)
      sent += 1
      await new Promise(setImmediate)
    }
    const again = await resume(session, id)
    for (let step = 0; step < sent; step += 1) await again.nextMessage()
    await stream.send(answer)
    stream.end()
    expect(await rest(again)).toEqual([answer])
    client.close()
  })

  test('at a stream that its upstream wants polled does not keep it from being polled (SE3, SE4)', async () => {
    await setUp(new MemoryEventLog({ maxBytes: 64 * MiB, maxTotalBytes: 64 * MiB }))
    const { session, client, stream, asked, id } = await begin()
    await stream.write('id: u-1\nretry: 1\ndata: \n\n')
    client.res.pause()
    let sent = 0
    while (!asked.res.writableNeedDrain) {
      asked.res.write(`id: u-1\ndata: ${JSON.stringify(chunk)}\n\n`)
      sent += 1
      await new Promise(setImmediate)
    }
    upstream.once('GET', async (exchange) => {
      const polled = exchange.stream()
      for (let step = 0; step < 100; step += 1) await polled.send(progress(2, 'x'.repeat(64 * KiB)))
      await polled.send(answer)
      polled.end()
    })
    stream.end()
    client.close()
    await (
      await upstream.nextRequest('GET')
    ).over
    const messages = await rest(await resume(session, id))
    expect(messages).toHaveLength(sent + 101)
  })
})
