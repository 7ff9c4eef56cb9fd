// Listening to all members at once: what each says, who is gone, who is back; in both eras.
import { createServer, type IncomingMessage, request as requestOnward, type ServerResponse } from 'node:http'
import { MemoryEventLog } from '../../../lib/index.ts'
import { aggregated, CACHED, member, modernMember } from '../../support/aggregated.ts'
import { META, modernRequest, openModern } from '../../support/modern.ts'
import { initialize, type OpenStream } from '../../support/rpc.ts'
import { scriptedServer } from '../../support/scripted-pipe.ts'
import type { EventStream, RpcMessage, Upstream } from '../../support/upstream.ts'
import { closeUsed } from '../../support/use.ts'

afterEach(closeUsed)

const TOOLS_CHANGED = 'notifications/tools/list_changed'
const UPDATED = 'notifications/resources/updated'

/** Waits until it is listened to, and gives its stream. */
async function streamOf(upstream: Upstream): Promise<EventStream> {
  const asked = await upstream.nextRequest('GET')
  return asked.stream()
}

/** The next message with this method. */
async function nextOf(stream: OpenStream, method: string): Promise<RpcMessage> {
  for (;;) {
    const message = await stream.nextMessage()
    if (message.method === method) return message
  }
}

describe('a session', () => {
  test('hears all members on one stream, each in its own words', async () => {
    const [one, two] = [await member(), await member()]
    const gateway = await aggregated({ members: { one, two } })
    const session = await initialize(gateway.url('desk'), { capabilities: { elicitation: {} } })
    const listening = await session.listen()
    expect(listening.status).toBe(200)
    await (await streamOf(one)).send({ method: UPDATED, params: { uri: 'a:1' } })
    expect(await listening.nextMessage()).toEqual({ jsonrpc: '2.0', method: UPDATED, params: { uri: 'one+a:1' } })
    await (await streamOf(two)).send({ id: 0, method: 'elicitation/create', params: { message: 'Who?' } })
    expect(await listening.nextMessage()).toMatchObject({ id: 'two~0', params: { message: 'Who?' } })
    await session.post({ jsonrpc: '2.0', id: 'two~0', result: { action: 'decline' } })
    expect((await two.nextRequest('response')).message).toMatchObject({ id: 0 })
    listening.close()
  })

  test('SE6 SE7 an event’s id names the last of each member, after which any node resumes all', async () => {
    const [one, two] = [await member(), await member()]
    const gateway = await aggregated({ members: { one, two } })
    const session = await initialize(gateway.url('desk'))
    const first = await session.listen()
    await (await streamOf(one)).send({ method: TOOLS_CHANGED }, { id: '5' })
    await first.next()
    await (await streamOf(two)).send({ method: TOOLS_CHANGED }, { id: '5' })
    const { id } = await first.next()
    first.close()
    const other = await session.listen({ 'last-event-id': id! })
    for (const each of [one, two]) {
      const asked = await each.nextRequest('GET')
      expect(asked.headers['last-event-id']).toBe('5')
    }
    other.close()
  })

  test('RT3 a member without a stream of its own is not listened to, and not missing', async () => {
    const [one, mute] = [await member(), await member()]
    mute.on('GET', ({ status }) => status(405))
    const gateway = await aggregated({ members: { one, mute } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    await (await streamOf(one)).send({ method: TOOLS_CHANGED })
    expect(await listening.nextMessage()).toMatchObject({ method: TOOLS_CHANGED })
    expect(mute.requests('GET')).toHaveLength(1)
    listening.close()
  })

  test('a member that holds back its head does not hold up the others', async () => {
    const [one, slow] = [await member(), await member()]
    slow.on('GET', () => {})
    const gateway = await aggregated({ members: { one, slow } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    await (await streamOf(one)).send({ method: TOOLS_CHANGED })
    expect(await listening.nextMessage()).toMatchObject({ method: TOOLS_CHANGED })
    const late = (await slow.nextRequest('GET')).stream()
    await late.send({ method: UPDATED, params: { uri: 'a:1' } })
    expect(await listening.nextMessage()).toMatchObject({ params: { uri: 'slow+a:1' } })
    listening.close()
  })

  test('a member’s stream that ends is opened again after its last event, unnoticed', async () => {
    const one = await member()
    const gateway = await aggregated({ members: { one } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    const stream = await streamOf(one)
    await stream.send({ method: TOOLS_CHANGED }, { id: '5' })
    await listening.nextMessage()
    stream.end()
    const again = await one.nextRequest('GET')
    expect(again.headers['last-event-id']).toBe('5')
    await again.stream().send({ method: UPDATED, params: { uri: 'a:1' } })
    expect(await listening.nextMessage()).toMatchObject({ method: UPDATED })
    listening.close()
  })

  test('a member that is back joins, and the client is told that all lists have changed', async () => {
    const one = await member()
    const back = await member(['x'])
    const port = new URL(back.url).port
    let isDown = true
    // What stands where the member was: it cuts every connection until the member is back.
    const proxy = createServer((request, response) => {
      if (isDown) return void request.socket.destroy()
      const headers = { ...request.headers }
      fetchThrough(port, request, headers, response)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port: shown } = proxy.address() as { port: number }
    const gateway = await aggregated({ members: { one, back: { url: `http://127.0.0.1:${shown}/mcp` } } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    isDown = false
    const told = [await listening.nextMessage(), await listening.nextMessage(), await listening.nextMessage()]
    expect(told.map(({ method }) => method)).toEqual([
      'notifications/tools/list_changed',
      'notifications/prompts/list_changed',
      'notifications/resources/list_changed',
    ])
    const { tools } = (await session.request('tools/list')).message!.result as { tools: { name: string }[] }
    expect(tools.map(({ name }) => name)).toEqual(['one__echo', 'back__x'])
    listening.close()
    proxy.closeAllConnections()
    await new Promise((resolve) => proxy.close(resolve))
  })

  test('a process that ends is opened again, and the client is told', async () => {
    const pipe = scriptedServer()
    const gateway = await aggregated({ members: { one: await member(), pipe } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    const first = await pipe.pipes.next()
    first.onClose?.(new Error('It fell over'))
    const second = await pipe.pipes.next()
    expect(await nextOf(listening, TOOLS_CHANGED)).toBeDefined()
    second.say({ method: UPDATED, params: { uri: 'a:1' } })
    expect(await nextOf(listening, UPDATED)).toMatchObject({ params: { uri: 'pipe+a:1' } })
    listening.close()
  })

  test('a list that lacked a member is followed by `list_changed`, though the member has no stream', async () => {
    const [one, mute] = [await member(), await member()]
    mute.on('GET', ({ status }) => status(405))
    const gateway = await aggregated({ members: { one, mute } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    mute.once('tools/list', ({ cut }) => cut())
    const listed = await session.request('tools/list')
    expect(listed.body).toContain('express-mcp-gateway/missing')
    expect(await nextOf(listening, TOOLS_CHANGED)).toBeDefined()
    expect(mute.requests('ping')).toHaveLength(1)
    listening.close()
  })

  test('members that are withdrawn are heard no more, and new ones from then on', async () => {
    const [one, two] = [await member(), await member()]
    let all: Record<string, { url: string }> = { one: { url: one.url } }
    const gateway = await aggregated({ members: {}, config: { members: () => all }, gateway: { recheckMs: 50 } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    const asked = await one.nextRequest('GET')
    asked.stream()
    all = { two: { url: two.url } }
    expect(await asked.over).toBe('cut')
    expect(await nextOf(listening, TOOLS_CHANGED)).toBeDefined()
    await (await streamOf(two)).send({ method: UPDATED, params: { uri: 'a:1' } })
    expect(await nextOf(listening, UPDATED)).toMatchObject({ params: { uri: 'two+a:1' } })
    listening.close()
  })

  test('what `show` hides is not told', async () => {
    const one = await member()
    const show = ({ kind }: { kind: string }) => Promise.resolve(kind !== 'resources')
    const gateway = await aggregated({ members: { one }, options: { show } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    const stream = await streamOf(one)
    await stream.send({ method: UPDATED, params: { uri: 'a:1' } })
    await stream.send({ method: 'notifications/resources/list_changed' })
    await stream.send({ method: TOOLS_CHANGED })
    expect(await listening.nextMessage()).toMatchObject({ method: TOOLS_CHANGED })
    listening.close()
  })

  test('a client that leaves leaves all members', async () => {
    const [one, two] = [await member(), await member()]
    const gateway = await aggregated({ members: { one, two } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    const asked = await Promise.all([one, two].map((each) => each.nextRequest('GET')))
    for (const each of asked) each.stream()
    listening.close()
    expect(await Promise.all(asked.map(({ over }) => over))).toEqual(['cut', 'cut'])
  })

  test('an event log keeps what all members say, under ids of its own', async () => {
    const [one, two] = [await member(), await member()]
    const gateway = await aggregated({ members: { one, two }, gateway: { events: new MemoryEventLog() } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    await (await streamOf(one)).send({ method: TOOLS_CHANGED }, { id: '5' })
    const { id } = await listening.next()
    expect(id).not.toMatch(/^~/)
    listening.close()
    await (await streamOf(two)).send({ method: UPDATED, params: { uri: 'a:1' } })
    const again = await session.listen({ 'last-event-id': id! })
    expect(await nextOf(again, UPDATED)).toMatchObject({ params: { uri: 'two+a:1' } })
    again.close()
  })
})

describe('ST15 a modern client', () => {
  const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged'
  const listen = (url: string, notifications: object) =>
    openModern(url, modernRequest('subscriptions/listen', { notifications }, 'mine'))

  /** Agrees to all that it is asked for, and gives the stream. */
  async function agreed(upstream: Upstream): Promise<{ stream: EventStream; asked: unknown }> {
    const { message, stream: open } = await upstream.nextRequest('subscriptions/listen')
    const asked = message?.params?.['notifications']
    const stream = open()
    await stream.send({
      method: ACKNOWLEDGED,
      params: { notifications: asked, _meta: { [META.subscriptionId]: message?.id } },
    })
    return { stream, asked }
  }

  test('is told what all members agree to, and hears them under its own id', async () => {
    const [one, two] = [await modernMember(), await modernMember()]
    const gateway = await aggregated({ members: { one, two } })
    const opening = listen(gateway.url('desk'), {
      toolsListChanged: true,
      resourceSubscriptions: ['one+a:1', 'two+b:1', 'gone+c:1'],
    })
    const streams = await Promise.all([one, two].map(agreed))
    expect(streams.map(({ asked }) => asked)).toEqual([
      { toolsListChanged: true, resourceSubscriptions: ['a:1'] },
      { toolsListChanged: true, resourceSubscriptions: ['b:1'] },
    ])
    const listening = await opening
    const _meta = { [META.subscriptionId]: 'mine' }
    expect(await listening.nextMessage()).toEqual({
      jsonrpc: '2.0',
      method: ACKNOWLEDGED,
      params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['one+a:1', 'two+b:1'] }, _meta },
    })
    await streams[1]!.stream.send({ method: UPDATED, params: { uri: 'b:1', _meta } })
    expect(await listening.nextMessage()).toMatchObject({ method: UPDATED, params: { uri: 'two+b:1', _meta } })
    listening.close()
  })

  test('a member that has no such method, one that is down, and one that never agrees do not matter', async () => {
    const [one, old, mute] = [await modernMember(), await modernMember(), await modernMember()]
    old.on('subscriptions/listen', ({ error }) => error(-32601, 'Method not found', 404))
    mute.on('subscriptions/listen', (exchange) => void exchange.stream())
    const members = { one, old, mute, dead: { url: 'http://127.0.0.1:9/mcp' } }
    const gateway = await aggregated({ members })
    const opening = listen(gateway.url('desk'), { toolsListChanged: true })
    const { stream } = await agreed(one)
    const listening = await opening
    expect(await listening.nextMessage()).toMatchObject({ params: { notifications: { toolsListChanged: true } } })
    await stream.send({ method: TOOLS_CHANGED, params: { _meta: { [META.subscriptionId]: 'mine' } } })
    expect(await listening.nextMessage()).toMatchObject({ method: TOOLS_CHANGED })
    listening.close()
  })

  test('is told when a member that had ended its stream is back', async () => {
    const one = await modernMember()
    const gateway = await aggregated({ members: { one } })
    const opening = listen(gateway.url('desk'), { toolsListChanged: true })
    const { stream } = await agreed(one)
    const listening = await opening
    await listening.nextMessage()
    one.once('subscriptions/listen', ({ cut }) => cut())
    stream.end()
    await one.nextRequest('subscriptions/listen')
    await agreed(one)
    expect(await listening.nextMessage()).toEqual({
      jsonrpc: '2.0',
      method: TOOLS_CHANGED,
      params: { _meta: { [META.subscriptionId]: 'mine' } },
    })
    listening.close()
  })

  test('ST18 a client that leaves ends the members’ streams', async () => {
    const one = await modernMember()
    one.on('server/discover', ({ result }) =>
      result({ ...CACHED, supportedVersions: ['2026-07-28'], capabilities: {} }),
    )
    const gateway = await aggregated({ members: { one } })
    const opening = listen(gateway.url('desk'), { toolsListChanged: true })
    const asked = await one.nextRequest('subscriptions/listen')
    await asked.stream().send({ method: ACKNOWLEDGED, params: { notifications: { toolsListChanged: true } } })
    ;(await opening).close()
    expect(await asked.over).toBe('cut')
  })
})

function fetchThrough(port: string, request: IncomingMessage, headers: object, response: ServerResponse): void {
  const { method, url: path } = request
  const onward = requestOnward(
    { host: '127.0.0.1', port, method, path: path!, headers: headers as never },
    (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      response.flushHeaders()
      answer.pipe(response)
    },
  )
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  request.pipe(onward)
}

describe('what is told of lists', () => {
  test('a new member is told of, in the kinds that are shown of it, and nothing of it twice', async () => {
    const [one, two, three] = [await member(), await member(), await member()]
    const all: Record<string, { url: string }> = { one: { url: one.url } }
    const kindOf: Readonly<Record<string, string>> = { two: 'tools', three: 'prompts' }
    const show = (of: { member: string; kind: string }) => of.member === 'one' || kindOf[of.member] === of.kind
    const gateway = await aggregated({
      members: {},
      config: { members: () => ({ ...all }), show },
      gateway: { recheckMs: 20 },
    })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    all['two'] = { url: two.url }
    expect(await listening.nextMessage()).toMatchObject({ method: TOOLS_CHANGED })
    all['three'] = { url: three.url }
    expect(await listening.nextMessage()).toMatchObject({ method: 'notifications/prompts/list_changed' })
    listening.close()
  })

  test('PU5 what two members say in one batch names them, as single messages do', async () => {
    const one = await member()
    const gateway = await aggregated({ members: { one } })
    const session = await initialize(gateway.url('desk'), { version: '2025-03-26', capabilities: { elicitation: {} } })
    const listening = await session.listen()
    const stream = await streamOf(one)
    const question = '{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"Who?"}}'
    const changed = `{"jsonrpc":"2.0","method":"${TOOLS_CHANGED}"}`
    await stream.write(`data: [${question},${changed}]\n\n`)
    expect(JSON.parse((await listening.next()).data)).toMatchObject([{ id: 'one~1' }, { method: TOOLS_CHANGED }])
    listening.close()
  })

  test('names are asked for again once a list is told to have changed', async () => {
    const one = await member(['old'])
    const gateway = await aggregated({ members: { one }, options: { separator: false } })
    const session = await initialize(gateway.url('desk'))
    const listening = await session.listen()
    const stream = await streamOf(one)
    const called = async () =>
      (await session.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'new' } })).message!
    expect((await called()).error).toMatchObject({ code: -32602 })
    one.on('tools/list', ({ result }) => result({ tools: [{ name: 'new', inputSchema: { type: 'object' } }] }))
    one.sessions.clear()
    stream.end()
    await nextOf(listening, TOOLS_CHANGED)
    expect((await called()).result).toBeDefined()
    listening.close()
  })

  test('SE6 the ids of a modern member’s events are not told', async () => {
    const one = await modernMember()
    one.on('subscriptions/listen', async (exchange) => {
      const params = { notifications: { toolsListChanged: true } }
      const stream = exchange.stream()
      await stream.send({ method: 'notifications/subscriptions/acknowledged', params }, { id: '1' })
      await stream.send({ method: TOOLS_CHANGED, params: {} }, { id: '2' })
    })
    const gateway = await aggregated({ members: { one } })
    const message = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const stream = await openModern(gateway.url('desk'), message)
    await stream.next()
    expect(await stream.next()).not.toHaveProperty('id', '2')
    stream.close()
  })
})
