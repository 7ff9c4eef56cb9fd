// The order of layers, and that they fail closed. (governance 7-14)
import { AsyncLocalStorage } from 'node:async_hooks'
import type { RequestListener } from 'node:http'
import { GatewayError, type Interceptor, MemoryEventLog } from '../../../lib/index.ts'
import { openModern, modernRequest } from '../../support/modern.ts'
import { initializeMessage, post } from '../../support/rpc.ts'
import { cleanUp, deferred, layer, world } from './setup.ts'

afterEach(cleanUp)

const seen: string[] = []
beforeEach(() => void (seen.length = 0))

/** A layer that writes down when it sees a message, and its result. */
function noting(name: string, key: string): Interceptor {
  return layer({
    async [key](_, next) {
      seen.push(`${name} in`)
      const result = await next()
      seen.push(`${name} out`)
      return result
    },
  })
}

test('7. the first layer is outermost, the gateway’s are around the server’s, and of a layer one entry sees it', async () => {
  const most = layer({
    'tools/call': (_, next) => (seen.push('exact'), next()),
    'tools/*': (_, next) => (seen.push('pattern'), next()),
    '*': (_, next) => (seen.push('all'), next()),
  })
  const { open, upstream } = await world({
    intercept: [noting('one', 'tools/call'), noting('two', 'tools/*')],
    server: { intercept: [noting('three', '*'), most] },
  })
  upstream.on('prompts/list', (exchange) => exchange.result({ prompts: [] }))
  const session = await open()
  seen.length = 0
  await session.request('tools/call', { name: 'x' })
  expect(seen).toEqual(['one in', 'two in', 'three in', 'exact', 'three out', 'two out', 'one out'])
  seen.length = 0
  await session.request('tools/list')
  await session.request('prompts/list')
  expect(seen).toEqual(['two in', 'three in', 'pattern', 'three out', 'two out', 'three in', 'all', 'three out'])
})

test('8. a layer that throws before next() sends nothing; behind it the client gets the error, not the result', async () => {
  const intercept = layer({
    async 'tools/call'({ params }, next) {
      if (params.name === 'before') throw new Error('a secret')
      await next()
      throw params.name === 'known' ? new GatewayError('forbidden', 'Not that') : new Error('a secret')
    },
  })
  const { open, upstream, gateway } = await world({ intercept })
  upstream.on('tools/call', (exchange) => exchange.result({ secret: true }))
  const session = await open()
  const before = await session.request('tools/call', { name: 'before' })
  expect(upstream.requests('tools/call')).toHaveLength(0)
  const after = await session.request('tools/call', { name: 'after' })
  const known = await session.request('tools/call', { name: 'known' })
  expect(upstream.requests('tools/call')).toHaveLength(2)
  expect([before.status, after.status, known.status]).toEqual([500, 500, 403])
  expect([before, after, known].filter(({ body }) => body.includes('secret'))).toEqual([])
  expect(known.message?.error).toEqual({ code: 403, message: 'Not that' })
  expect(gateway.reported.entries).toHaveLength(2)
  const { error } = gateway.reported.entries[0]!
  expect(String(error.cause)).toContain('"tools/call" threw')
  expect((error.cause as Error).cause).toEqual(new Error('a secret'))
})

test.each(['at once', 'later'])(
  '8. a layer that is not waited for any more leaves no unhandled rejection: it asks on %s',
  async (when) => {
    const rejections: unknown[] = []
    const onRejection = (reason: unknown): void => void rejections.push(reason)
    process.on('unhandledRejection', onRejection)
    const gate = deferred()
    const ran = deferred()
    const intercept = layer({
      'tools/call': async (_, next) => {
        if (when === 'later') await Promise.resolve()
        // Neither is waited for.
        void next()
        ran.resolve()
        await gate.promise
        throw new Error('late')
      },
    })
    const { url, upstream, gateway } = await world({ intercept })
    upstream.on('tools/call', (exchange) => exchange.error(-32000, 'no'))
    const stream = openModern(url, modernRequest('tools/call', { name: 'x' })).catch(() => undefined)
    await ran.promise
    await gateway.gateway.close({ graceMs: 0 })
    await stream
    gate.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', onRejection)
    expect(rejections).toEqual([])
  },
)

test('9. next() a second time throws, and sends once; also once the message has been answered', async () => {
  let later: (() => Promise<unknown>) | undefined
  const faults: string[] = []
  const intercept = layer({
    async 'tools/call'({ params }, next) {
      if (params.name === 'late') {
        later = next
        return { content: [] }
      }
      const result = await next()
      try {
        await next()
      } catch (error) {
        faults.push(String(error))
      }
      return result
    },
  })
  const { open, upstream } = await world({ intercept })
  const session = await open()
  await session.request('tools/call', { name: 'twice' })
  expect(faults).toEqual(['TypeError: next() was called twice: a message is sent once'])
  await session.request('tools/call', { name: 'late' })
  expect(() => later!()).toThrow('after the message had been answered')
  expect(upstream.requests('tools/call')).toHaveLength(1)
})

test('10. a layer that never settles ends with its client, its login, or its time; `signal` says so', async () => {
  const signals: AbortSignal[] = []
  let arrived = deferred()
  const intercept = layer({
    'tools/call': ({ signal }) => {
      signals.push(signal)
      arrived.resolve()
      return new Promise(() => {})
    },
  })
  const { url, open, gateway } = await world({ intercept })
  const session = await open()
  const hanging = session.request('tools/call', { name: 'x' })
  await arrived.promise
  arrived = deferred()
  const modern = post(url, modernRequest('tools/call', { name: 'x' }), {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'x',
  })
  await arrived.promise
  await gateway.gateway.close({ graceMs: 0 })
  expect([(await hanging).status, (await modern).status]).toEqual([503, 503])
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
})

test('10. its own time is limited by timeouts.responseMs, that of the server is not counted', async () => {
  const intercept = layer({
    'tools/call': ({ params }, next) => (params.name === 'never' ? new Promise(() => {}) : next()),
    'tools/list': async (_, next) => {
      await next()
      return new Promise(() => {})
    },
    'notifications/roots/list_changed': () => new Promise(() => {}),
  })
  const { open, gateway } = await world({ intercept, timeouts: { responseMs: 700 } })
  const session = await open()
  const never = await session.request('tools/call', { name: 'never' })
  const after = await session.request('tools/list')
  const notified = await session.post({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' })
  expect([never.status, after.status, notified.status]).toEqual([503, 503, 503])
  expect(String(gateway.reported.entries[0]!.error.cause)).toContain('tools/call neither answered nor called next()')
})

test('11. the async context of the request holds before and after next(), and for what the server says meanwhile', async () => {
  const storage = new AsyncLocalStorage<string>()
  const contexts: (string | undefined)[] = []
  let begun = deferred()
  const intercept = layer({
    'tools/call': async (_, next) => {
      contexts.push(storage.getStore())
      const result = await next()
      contexts.push(storage.getStore())
      return result
    },
    'notifications/progress': async (_, next) => {
      contexts.push(storage.getStore())
      await next()
      begun.resolve()
    },
  })
  const mount =
    (gateway: RequestListener): RequestListener =>
    (request, response) =>
      storage.run(String(request.headers['x-user']), () => gateway(request, response))
  const { upstream, url } = await world({ intercept, host: { prefix: '', mount } })
  const sockets = new Set<unknown>()
  const answer = async (exchange: Parameters<Parameters<typeof upstream.on>[1]>[0]): Promise<void> => {
    sockets.add(exchange.req.socket)
    const stream = exchange.stream()
    await stream.send({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } })
    // The rest comes by itself, when nobody in the gateway does anything for this user.
    await begun.promise
    await stream.send({ method: 'notifications/progress', params: { progressToken: 1, progress: 2 } })
    stream.finish({ content: [] })
  }
  upstream.on('tools/call', answer)
  for (const user of ['ada', 'bob']) {
    begun = deferred()
    const headers = {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'x',
      'x-user': user,
    }
    await post(url, modernRequest('tools/call', { name: 'x' }), headers)
    expect(contexts.splice(0)).toEqual([user, user, user, user])
  }
  // Node calls back in the context of whoever opened a socket: both users had the same one.
  expect(sockets.size).toBe(1)
})

test('12. nothing runs for a message that scopes refuse, and what a layer makes of it is judged again', async () => {
  const intercept = layer({
    'tools/call': ({ params }, next) => {
      seen.push(params.name)
      return next(params.name === 'alias' ? { ...params, name: 'delete_all' } : params)
    },
  })
  const { upstream, url } = await world({
    intercept,
    authenticate: () => ({ id: 'ada', scopes: [] }),
    server: { scopes: { tools: { 'delete_*': ['admin'] } } },
  })
  upstream.on('tools/call', (exchange) => exchange.result({ resultType: 'complete', content: [] }))
  const call = (name: string) =>
    post(url, modernRequest('tools/call', { name }), {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    })
  expect([(await call('delete_all')).status, (await call('alias')).status, (await call('read')).status]).toEqual([
    403, 403, 200,
  ])
  expect(seen).toEqual(['alias', 'read'])
  expect(upstream.requests('tools/call')).toHaveLength(1)
})

test('12. one right has one name: layers see it under the names of other revisions, too', async () => {
  const rights: unknown[] = []
  const intercept = layer({
    'resources/subscribe': ({ params, method }, next) => {
      rights.push([method, params.uri])
      return params.uri === 'x:secret' ? {} : next()
    },
    'logging/setLevel': ({ params }, next) => {
      rights.push(params.level)
      return next({ level: 'error' })
    },
    initialize: async ({ method }, next) => {
      rights.push(method)
      return { ...(await next()), instructions: 'ours' }
    },
  })
  const { upstream, url, modern, open } = await world({ intercept })
  upstream.on('subscriptions/listen', (exchange) => exchange.stream().finish({ resultType: 'complete' }))
  const filter = { resourceSubscriptions: ['x:one', 'x:secret', 'x:two'], toolsListChanged: true }
  const stream = await openModern(url, modernRequest('subscriptions/listen', { notifications: filter }))
  await stream.over
  const heard = upstream.requests('subscriptions/listen')[0]!.message!
  expect(heard.params!['notifications']).toEqual({ ...filter, resourceSubscriptions: ['x:one', 'x:two'] })
  const meta = modernRequest('tools/call').params['_meta'] as object
  const leveled = { ...meta, 'io.modelcontextprotocol/logLevel': 'debug' }
  await modern('tools/call', { name: 'x', _meta: leveled })
  expect(upstream.requests('tools/call')[0]!.message!.params!['_meta']).toEqual({
    ...meta,
    'io.modelcontextprotocol/logLevel': 'error',
  })
  upstream.on('server/discover', (exchange) => exchange.result({ resultType: 'complete' }))
  expect((await modern('server/discover')).message?.result).toMatchObject({ instructions: 'ours' })
  expect((await open()).opening.message?.result).toMatchObject({ instructions: 'ours' })
  expect(rights).toEqual([
    ['resources/subscribe', 'x:one'],
    ['resources/subscribe', 'x:secret'],
    ['resources/subscribe', 'x:two'],
    'debug',
    'server/discover',
    'initialize',
  ])
})

test('13. a message that is sent again runs the layers once, and the handshake that is replayed is the one they made', async () => {
  let runs = 0
  const intercept = layer({
    'tools/call': (_, next) => ((runs += 1), next()),
    initialize: ({ params }, next) => next({ ...params, capabilities: {} }),
  })
  const { upstream, open } = await world({ intercept, server: { recover: true } })
  const session = await open({ capabilities: { sampling: {} } })
  upstream.sessions.clear()
  expect((await session.request('tools/call', { name: 'x' })).status).toBe(200)
  expect(runs).toBe(1)
  const handshakes = upstream.requests('initialize').map(({ message }) => message!.params!['capabilities'])
  expect(handshakes).toEqual([{}, {}])
})

test('14. what the gateway says by itself is shown to no layer', async () => {
  const intercept = layer({ '*': ({ method }, next) => (seen.push(method), next()) })
  const { upstream, open } = await world({ intercept, timeouts: { responseMs: 500 } })
  const session = await open()
  upstream.on('tools/call', () => {})
  expect((await session.request('tools/call', { name: 'x' })).status).toBe(504)
  await upstream.nextRequest('notifications/cancelled')
  await session.end()
  await upstream.nextRequest('DELETE')
  expect(seen).toEqual(['initialize', 'notifications/initialized', 'tools/call'])
})

test('28. a layer may change the instructions of a handshake, not its revision; a refused session ends at its server', async () => {
  const intercept = layer({
    initialize: async (_, next) => ({ ...(await next()), protocolVersion: '2025-03-26' }),
  })
  const { upstream, url } = await world({ intercept, events: new MemoryEventLog() })
  const refused = await post(url, initializeMessage())
  expect([refused.status, refused.headers['mcp-session-id']]).toEqual([500, undefined])
  await upstream.nextRequest('DELETE')
  expect(upstream.sessions.size).toBe(0)
})
