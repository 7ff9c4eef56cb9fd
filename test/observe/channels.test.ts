// The diagnostics channels say what `audit` is told, while somebody listens. (governance.md 4, behaviour 46)
import { AsyncLocalStorage } from 'node:async_hooks'
import { fork } from 'node:child_process'
import { channel, subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { join } from 'node:path'
import type { InboundRequest } from '../../lib/inbound/inbound-request.ts'
import type { RequestContext, SessionEvent } from '../../lib/observe/channels.ts'
import { Observers } from '../../lib/observe/observers.ts'
import { createJournal } from '../support/journal.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { initialize, post } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const requests = tracingChannel<unknown, RequestContext>('express-mcp-gateway:request')
const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'echo', arguments: { secret: 'of ada' } } }

let upstream: Upstream
let gateway: RunningGateway
const cleanups: Array<() => unknown> = []

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({
    servers: { crm: { url: upstream.url, scopes: { tools: { secret: ['admin'] } } } },
    authenticate: () => ({ id: 'ada' }),
  })
  cleanups.push(
    () => upstream.close(),
    () => gateway.close(),
  )
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

function listen(handlers: Parameters<typeof requests.subscribe>[0]): void {
  requests.subscribe(handlers)
  cleanups.push(() => requests.unsubscribe(handlers))
}

const quiet = { start() {}, end() {}, asyncStart() {}, asyncEnd() {}, error() {} }

test('a message is traced from its start to the end of its answer, by one object', async () => {
  const events: [string, RequestContext, string | undefined][] = []
  const over = createJournal<RequestContext>()
  const note = (name: string) => (context: unknown) => {
    const known = context as RequestContext
    events.push([name, known, known.outcome])
  }
  listen({
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: (context) => {
      note('asyncEnd')(context)
      over.record(context)
    },
    error: note('error'),
  })
  const session = await initialize(gateway.url('crm'))
  await session.post(call)
  const context = await over.next(({ method }) => method === 'tools/call')
  const own = events.filter(([, each]) => each === context)
  expect(own.map(([name, , outcome]) => [name, outcome])).toEqual([
    ['start', undefined],
    ['end', undefined],
    ['asyncStart', 'ok'],
    ['asyncEnd', 'ok'],
  ])
  expect(context).toMatchObject({ server: 'crm', principal: { id: 'ada' }, target: 'echo', id: 7, from: 'client' })
  expect(JSON.stringify(context)).not.toContain('of ada')
})

test('what is refused has an error', async () => {
  const failed = createJournal<RequestContext>()
  listen({ ...quiet, error: (context) => failed.record(context) })
  const session = await initialize(gateway.url('crm'))
  await session.post({ ...call, params: { name: 'secret' } })
  const context = await failed.next()
  expect(context).toMatchObject({ outcome: 'refused', by: 'scopes', code: 'insufficient_scope' })
  expect(context.error).toBeInstanceOf(Error)
})

test('a store that is bound to the start holds for what is done for the message', async () => {
  const storage = new AsyncLocalStorage<RequestContext>()
  const seen: (string | undefined)[] = []
  requests.start.bindStore(storage)
  cleanups.push(() => requests.start.unbindStore(storage))
  await gateway.close()
  gateway = await startGateway({
    servers: () => ({
      url: upstream.url,
      headers: () => {
        seen.push(storage.getStore()?.method)
        return {}
      },
    }),
    authenticate: () => ({ id: 'ada' }),
  })
  const session = await initialize(gateway.url('crm'))
  await session.post(call)
  expect(seen).toContain('tools/call')
})

test('sessions are told of as they are opened and ended, without their ids', async () => {
  const events = createJournal<SessionEvent>()
  const listener = (event: unknown) => events.record(event as SessionEvent)
  subscribe('express-mcp-gateway:session', listener)
  cleanups.push(() => unsubscribe('express-mcp-gateway:session', listener))
  const session = await initialize(gateway.url('crm'))
  await session.end()
  const opened = await events.next()
  const ended = await events.next()
  expect(opened).toMatchObject({ event: 'opened', server: 'crm', principal: { id: 'ada' } })
  expect(ended).toEqual({ ...opened, event: 'ended', durationMs: expect.any(Number) as number })
  expect(JSON.stringify([opened, ended])).not.toContain(session.id)
})

test('while nobody listens nothing is built, and each channel alone is enough to be told', () => {
  const observers = new Observers({ audit: undefined, telemetry: undefined }, () => {})
  const inbound = { request: { socket: {}, headers: {} } } as unknown as InboundRequest
  expect(observers.begin(inbound)).toBeUndefined()
  expect(observers.attempt).toBeUndefined()
  for (const name of ['start', 'end', 'asyncStart', 'asyncEnd', 'error']) {
    const listener = () => {}
    const part = channel(`tracing:express-mcp-gateway:request:${name}`)
    part.subscribe(listener)
    expect(observers.begin(inbound)).toBeDefined()
    part.unsubscribe(listener)
    expect(observers.begin(inbound)).toBeUndefined()
  }
})

test('a subscriber that throws changes nothing for the client: node tells the process', async () => {
  const script = join(import.meta.dirname, '..', 'fixtures', 'observed-app.mjs')
  const child = fork(script, [upstream.url], { execArgv: [] })
  const exited = once(child, 'exit')
  const said = createJournal<{ port?: number; uncaught?: string }>()
  child.on('message', (message: object) => said.record(message))
  const { port } = await said.next()
  const answer = await post(`http://127.0.0.1:${port}/crm/mcp`, { ...call, method: 'ping' })
  expect(answer.status).toBe(400)
  expect(await said.next()).toEqual({ uncaught: 'The subscriber is broken' })
  const session = await initialize(`http://127.0.0.1:${port}/crm/mcp`)
  expect((await session.post(call)).message?.result).toBeDefined()
  child.send('close')
  await exited
})
