// Streams of revision 2026-07-28: who leaves takes the work along, who listens is told, and nobody is left waiting.
import { jest } from '@jest/globals'
import express from 'express'
import { bareHttp, type Host } from '../support/gateway.ts'
import { createJournal } from '../support/journal.ts'
import { META, MODERN, modernRequest, openModern, postModern, sendModern } from '../support/modern.ts'
import { openStream } from '../support/rpc.ts'
import { acknowledged, call, gateway, listen, start, upstream, url } from './setup.ts'

describe('a client that leaves', () => {
  test('SE5 before an answer: the upstream request is aborted', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const client = sendModern(url, call())
    const { over } = await upstream.nextRequest('tools/call')
    client.leave()
    await expect(over).resolves.toBe('cut')
  })

  test.each(['tools/call', 'subscriptions/listen'])(
    'SE5 in the middle of the stream of %s: it is aborted',
    async (method) => {
      await start()
      upstream.on(method, (exchange) => exchange.stream().send({ method: 'notifications/message', params: {} }))
      const client = await openModern(url, method === 'tools/call' ? call() : listen())
      await client.next()
      const { over } = await upstream.nextRequest(method)
      client.close()
      await expect(over).resolves.toBe('cut')
    },
  )

  test('SE5 SE13 in the middle of a stream whose events have ids: it is aborted', async () => {
    await start()
    upstream.on('tools/call', (exchange) => exchange.stream().send({ method: 'notifications/message' }, { id: '1' }))
    const client = await openModern(url, call())
    await client.next()
    const { over } = await upstream.nextRequest('tools/call')
    client.close()
    await expect(over).resolves.toBe('cut')
  })

  test('SE5 in the middle of a JSON answer: it is aborted', async () => {
    await start()
    upstream.on('tools/call', ({ res }) => {
      res.writeHead(200, { 'content-type': 'application/json' }).write('{"jsonrpc":')
    })
    const client = await openModern(url, call())
    const { over } = await upstream.nextRequest('tools/call')
    client.close()
    await expect(over).resolves.toBe('cut')
  })

  test('SE5 SS10 takes its own request along and no other, not even one with the same id', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const leaving = sendModern(url, call())
    const first = await upstream.nextRequest('tools/call')
    const staying = postModern(url, call())
    const second = await upstream.nextRequest('tools/call')
    leaving.leave()
    await expect(first.over).resolves.toBe('cut')
    expect(second.overAt).toBeUndefined()
    second.result({ content: [] })
    expect((await staying).message).toEqual({ jsonrpc: '2.0', id: 1, result: { content: [] } })
  })

  test('SE5 is no fault that anybody has to hear of', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const client = sendModern(url, call())
    const { over } = await upstream.nextRequest('tools/call')
    client.leave()
    await over
    await postModern(url, modernRequest('tools/list'))
    expect(gateway.reported.entries).toEqual([])
  })

  /** Holds a hook until the client has left, as the gateway's own host sees it. */
  function hold() {
    const asked = createJournal<true>()
    let release = (): void => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const gone = createJournal<true>()
    const watching = (app: Host['mount']): Host => ({
      prefix: '',
      mount: (each) => {
        const listener = app(each)
        return (req, res) => {
          res.once('close', () => res.writableFinished || gone.record(true))
          listener(req, res)
        }
      },
    })
    const hook = async (): Promise<void> => {
      asked.record(true)
      await released
    }
    return { hook, asked, gone, release: () => release(), watching }
  }

  /** Nothing of the call arrived, or what did was aborted. */
  async function expectNothingRuns(): Promise<void> {
    expect((await postModern(url, modernRequest('tools/list'))).status).toBe(200)
    const endings = await Promise.all(upstream.requests('tools/call').map(({ over }) => over))
    expect(endings.filter((ending) => ending !== 'cut')).toEqual([])
  }

  test('SE5 while the headers for its upstream are awaited: nothing goes there', async () => {
    const { hook, asked, gone, release, watching } = hold()
    const headers = async (): Promise<Record<string, string>> => (await hook(), {})
    await start({ servers: { raw: { url: upstream.url, headers } } }, watching(bareHttp.mount))
    upstream.on('tools/call', () => {})
    const client = sendModern(url, call())
    await asked.next()
    client.leave()
    await gone.next()
    release()
    await expectNothingRuns()
  })

  test('SE5 while it is authenticated, its body in the hands of a parser: nothing goes on upstream', async () => {
    const { hook, asked, gone, release, watching } = hold()
    const mount: Host['mount'] = (each) => express().use(express.json(), each)
    await start({ authenticate: async () => (await hook(), { id: 'ada' }) }, watching(mount))
    upstream.on('tools/call', () => {})
    const client = sendModern(url, call())
    await asked.next()
    client.leave()
    await gone.next()
    release()
    await expectNothingRuns()
  })
})

describe('subscriptions/listen', () => {
  /** A stream on which the upstream has said its first word. */
  async function listening(id: string | number = 'listen') {
    upstream.on('subscriptions/listen', (exchange) => exchange.stream().send(acknowledged(id)))
    const stream = await openModern(url, listen(id))
    const exchange = await upstream.nextRequest('subscriptions/listen')
    expect(await stream.nextMessage()).toMatchObject(acknowledged(id))
    return { stream, exchange }
  }

  test('ST15 ST16 what the upstream tells comes as it is, until the upstream ends it', async () => {
    await start()
    const { stream, exchange } = await listening(7)
    const change = { method: 'notifications/tools/list_changed', params: { _meta: { [META.subscriptionId]: 7 } } }
    await exchange.stream().send(change)
    expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', ...change })
    const result = { resultType: 'complete', _meta: { [META.subscriptionId]: 7 } }
    exchange.stream().finish(result)
    expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', id: 7, result })
    await expect(stream.over).resolves.toBe('complete')
    await expect(stream.next()).rejects.toThrow('the stream ended')
  })

  test.each(['listen', 7, 0, ''])(
    'ST16 ST18 at close() it ends with a result for its id %j, of the same type',
    async (id) => {
      await start()
      const { stream, exchange } = await listening(id)
      const closing = gateway.gateway.close()
      expect(await stream.nextMessage()).toEqual({
        jsonrpc: '2.0',
        id,
        result: { resultType: 'complete', _meta: { [META.subscriptionId]: id } },
      })
      await expect(stream.over).resolves.toBe('complete')
      await expect(exchange.over).resolves.toBe('cut')
      await closing
    },
  )

  test('UT5 what an upstream takes back of it comes as it is', async () => {
    await start()
    const { stream, exchange } = await listening(7)
    const params = { requestId: 7, _meta: { [META.subscriptionId]: 7 } }
    await exchange.stream().send({ method: 'notifications/cancelled', params })
    expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', method: 'notifications/cancelled', params })
    stream.close()
  })

  test('ST16 ST18 at close() each of several ends with a result of its own', async () => {
    await start()
    const ids = ['a', 1, '1']
    const streams = []
    for (const id of ids) streams.push((await listening(id)).stream)
    const closing = gateway.gateway.close()
    const last = await Promise.all(streams.map((stream) => stream.nextMessage()))
    expect(last.map(({ id, result }) => [id, (result as { _meta: object })._meta])).toEqual(
      ids.map((id) => [id, { [META.subscriptionId]: id }]),
    )
    await closing
  })

  test('ST18 at close() one that was already answered ends without another answer', async () => {
    await start()
    const { stream, exchange } = await listening()
    const result = { resultType: 'complete', _meta: { [META.subscriptionId]: 'listen' } }
    await exchange.stream().send({ id: 'listen', result })
    await stream.nextMessage()
    await gateway.gateway.close()
    await expect(stream.over).resolves.toBe('complete')
    await expect(stream.next()).rejects.toThrow('the stream ended')
  })

  test('ST18 at close() one that the upstream has not begun to answer is 503', async () => {
    await start()
    upstream.on('subscriptions/listen', () => {})
    const opening = postModern(url, listen())
    await upstream.nextRequest('subscriptions/listen')
    await gateway.gateway.close()
    expect(await opening).toMatchObject({ status: 503, message: { id: 'listen' } })
  })

  test('ST18 at close() a call that runs may finish', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const answer = postModern(url, call())
    const exchange = await upstream.nextRequest('tools/call')
    const closing = gateway.gateway.close()
    exchange.result({ content: [] })
    expect(await answer).toMatchObject({ status: 200, message: { id: 1, result: { content: [] } } })
    await closing
  })

  test('ER14 one that the upstream drops ends in an error for its id', async () => {
    await start()
    const { stream, exchange } = await listening()
    exchange.cut()
    expect(await stream.nextMessage()).toMatchObject({ id: 'listen', error: { code: 502 } })
    await expect(stream.over).resolves.toBe('complete')
  })

  test('SE17 ST19 no timeout for answers cuts it, neither before its first event nor after', async () => {
    await start({ timeouts: { responseMs: 700 } })
    upstream.on('tools/call', () => {})
    upstream.on('subscriptions/listen', () => {})
    const outlast = async () => expect((await postModern(url, call())).status).toBe(504)
    const opening = openModern(url, listen())
    const exchange = await upstream.nextRequest('subscriptions/listen')
    await outlast()
    await exchange.stream().send(acknowledged('listen'))
    const stream = await opening
    expect(await stream.nextMessage()).toMatchObject(acknowledged('listen'))
    await outlast()
    await exchange.stream().send({ method: 'notifications/tools/list_changed' })
    expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
    stream.close()
  })

  test('SE15 a quiet one is kept alive by comments, between its events', async () => {
    jest.useFakeTimers({
      doNotFake: [
        'Date',
        'hrtime',
        'nextTick',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'clearImmediate',
        'setTimeout',
        'clearTimeout',
      ],
    })
    try {
      await start()
      const { stream, exchange } = await listening()
      jest.advanceTimersByTime(15_000)
      expect(await stream.next()).toMatchObject({ data: '', comments: [''] })
      await exchange.stream().send({ method: 'notifications/tools/list_changed' })
      expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
      stream.close()
      await exchange.over
    } finally {
      jest.useRealTimers()
    }
  })
})

test('SE1 SE16 events come one by one, not when the stream is over', async () => {
  await start()
  upstream.on('tools/call', () => {})
  const opening = openStream(url, {
    message: call(),
    headers: { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'echo' },
  })
  const exchange = await upstream.nextRequest('tools/call')
  exchange.stream()
  const stream = await opening
  for (const progress of [1, 2]) {
    await exchange.stream().send({ method: 'notifications/progress', params: { progressToken: 1, progress } })
    expect(await stream.nextMessage()).toMatchObject({ params: { progress } })
  }
  exchange.stream().finish({})
  expect(await stream.nextMessage()).toMatchObject({ id: 1 })
})
