// How servers hear that sessions have ended: which of them, how many at a time, and what of their answers is reported.
import type { Exchange } from '../../lib/exchange/exchange.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { GatewayError } from '../../lib/index.ts'
import { UpstreamSessions } from '../../lib/session/upstream-session.ts'
import type { UpstreamState } from '../../lib/types.ts'
import { RECORD } from '../support/pipeline-exchange.ts'

const STATE = RECORD.upstream
const BARE: UpstreamState = { upstream: 'digest', protocolVersion: '2025-11-25' }
const context = { server: 'weather', config: { url: 'http://127.0.0.1/' }, principal: { id: 'ann' } }
const done: Reply = { kind: 'empty', status: 200, headers: {} }

/** Sessions at servers that answer when they are told to, and all that they heard. */
function make(answer: () => Promise<Reply> = async () => done) {
  const heard: Exchange[] = []
  const reported: unknown[][] = []
  const handle = (exchange: Exchange): Promise<Reply> => {
    heard.push(exchange)
    return answer()
  }
  const sessions = new UpstreamSessions(
    () => handle,
    (...args) => void reported.push(args),
  )
  return { sessions, heard, reported, ids: () => heard.map(({ state }) => state?.id) }
}

test('SS12 a session is terminated by DELETE, in its own words and for its own principal', async () => {
  const { sessions, heard, reported } = make()
  await sessions.terminate(STATE, context)
  expect(heard).toHaveLength(1)
  const [{ verb, message, state, headers, config, path, origin }] = heard as [Exchange]
  expect({ verb, message, state, path }).toEqual({
    verb: 'DELETE',
    message: undefined,
    state: STATE,
    path: ['weather'],
  })
  expect(headers).toEqual({ 'mcp-protocol-version': '2025-11-25' })
  expect(config).toBe(context.config)
  expect([origin.server, origin.principal, origin.session, origin.request]).toEqual([
    'weather',
    { id: 'ann' },
    undefined,
    undefined,
  ])
  expect(reported).toEqual([])
})

test('SS12 a session without an id is nothing to its server, unless a member of an aggregate has one', async () => {
  const { sessions, heard } = make()
  const member = { ...BARE, members: { crm: BARE, mail: { ...BARE, members: { inner: STATE } } } }
  sessions.enqueue(BARE, context)
  await sessions.terminate(BARE, context)
  await sessions.terminate({ ...BARE, members: { crm: BARE } }, context)
  expect(heard).toEqual([])
  await sessions.terminate(member, context)
  expect(heard.map(({ state }) => state)).toEqual([member])
})

test.each([404, 405])('a server that answers %d has nothing to be told, which is no fault', async (status) => {
  const refusal = new GatewayError('upstream_refused', 'no', { status })
  const { sessions, reported } = make(() => Promise.reject(refusal))
  await sessions.terminate(STATE, context)
  expect(reported).toEqual([])
})

test('any other fault is reported with its context, and rejects nothing', async () => {
  const faults = [new GatewayError('upstream_unreachable', 'no'), new Error('odd')]
  const left = [...faults]
  const { sessions, reported } = make(() => Promise.reject(left.shift()!))
  for (const _ of faults) await sessions.terminate(STATE, context)
  expect(reported).toEqual(faults.map((fault) => [fault, context]))
})

test('SS11 sessions that ended by themselves are told of 32 at a time, until all are told of or the gateway has closed', async () => {
  const answers: (() => void)[] = []
  const { sessions, heard } = make(
    () =>
      new Promise((resolve) => {
        answers.push(() => resolve(done))
      }),
  )
  for (let count = 0; count < 100; count += 1) sessions.enqueue({ ...STATE, id: `up-${count}` }, context)
  expect(heard).toHaveLength(32)
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
  for (let count = 33; count <= 64; count += 1) {
    answers.shift()!()
    await turn()
    expect(heard).toHaveLength(count)
  }
  let isDone = false
  const closing = sessions.done().then(() => (isDone = true))
  sessions.close()
  while (answers.length > 0) {
    expect(isDone).toBe(false)
    answers.shift()!()
    await turn()
  }
  await closing
  expect(heard).toHaveLength(64)
  expect(new Set(heard.map(({ state }) => state?.id)).size).toBe(64)
})

test('SS11 a session that a store ended is told of where its context is remembered, once', async () => {
  const { sessions, ids } = make()
  sessions.remember('a', context)
  sessions.remember('b', context)
  sessions.forget('b')
  for (const id of ['a', 'b', 'unknown', 'a']) sessions.expired(id, { ...STATE, id: `of ${id}` })
  await sessions.done()
  expect(ids()).toEqual(['of a'])
})

test('done() waits for whatever else it was given', async () => {
  const { sessions } = make()
  let finish = (): void => {}
  let isDone = false
  void sessions.track(
    new Promise((resolve) => {
      finish = resolve
    }),
  )
  const waiting = sessions.done().then(() => (isDone = true))
  await new Promise(setImmediate)
  expect(isDone).toBe(false)
  finish()
  await waiting
  await expect(sessions.done()).resolves.toBeUndefined()
})
