// The layer that judges by scopes, alone: the client's own words, and what the layers in between have made of them.
import type { Exchange } from '../../lib/exchange/exchange.ts'
import { type Message, notificationOf } from '../../lib/exchange/message.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { Authorize } from '../../lib/layers/authorize.ts'
import { batchOf, closing, type Fixture, fixture, legacyCall, modernCall, responseOf } from '../support/fixture.ts'

const config = { scopes: { tools: { 'delete_*': ['write'] }, methods: { 'resources/*': ['docs'] } } }
const ADA = { id: 'ada', scopes: ['read'] }

let gateway: Fixture

beforeEach(() => {
  gateway = fixture({ layers: ['said', 'sent'], config, principal: ADA })
})
afterEach(() => gateway.close())

const accepted: Promise<Reply> = Promise.resolve({ kind: 'empty', status: 202, headers: {} })
const next = (): Promise<Reply> => accepted

/** What a call of a tool is refused with, or `sent`. */
async function verdict(layer: Authorize, exchange: Exchange): Promise<unknown> {
  return layer.handle(exchange, next).then(
    () => 'sent',
    ({ code, challenge }: { code: string; challenge: { scopes: string[] } }) => [code, challenge.scopes],
  )
}

const callOf = (name: string): Message => legacyCall('tools/call', { name })

describe('what a client said', () => {
  const said = new Authorize('said', ['read'])

  test.each<[string, Message, unknown]>([
    ['a tool that takes nothing', callOf('get_file'), 'sent'],
    ['a tool that takes a scope it lacks', callOf('delete_file'), ['insufficient_scope', ['read', 'write']]],
    [
      'the same, in the modern era',
      modernCall('tools/call', { name: 'delete_file' }),
      ['insufficient_scope', ['read', 'write']],
    ],
    ['a method that takes one', legacyCall('resources/read'), ['insufficient_scope', ['read', 'docs']]],
    [
      'a notification that takes one',
      notificationOf('legacy', 'resources/x'),
      ['insufficient_scope', ['read', 'docs']],
    ],
    [
      'a batch with one of each',
      batchOf(callOf('get_file'), callOf('delete_file')),
      ['insufficient_scope', ['read', 'write']],
    ],
    ['an answer to the server', responseOf(), 'sent'],
  ])('AU7 AU9 is judged by all that it says: %s', async (_, message, expected) => {
    await expect(verdict(said, gateway.exchange(message))).resolves.toEqual(expected)
  })

  test('AU9 takes the scopes that every request needs', async () => {
    const strict = new Authorize('said', ['admin'])
    await expect(verdict(strict, gateway.exchange(callOf('x')))).resolves.toEqual(['insufficient_scope', ['admin']])
  })

  test('AU9 never reaches the server when it is refused', async () => {
    const client = gateway.send(callOf('delete_file'), { session: await gateway.session() })
    await client.over
    expect(client.refused).toMatchObject({ code: 'insufficient_scope' })
    expect(gateway.upstream.told).toEqual([])
  })

  test('goes on untouched when it has no message', () => {
    const listener = gateway.exchange(undefined)
    expect(said.handle(listener, (sent) => (sent === listener ? accepted : Promise.reject(new Error('another'))))).toBe(
      accepted,
    )
  })
})

describe('what is sent', () => {
  const sent = new Authorize('sent', ['read'])

  test('is judged where a layer has made another call of it, which is refused as if the client had said it', async () => {
    const exchange = gateway.exchange(callOf('get_file')).rewrite({ params: { name: 'delete_file' } })
    await expect(verdict(sent, exchange)).resolves.toEqual(['insufficient_scope', ['read', 'write']])
    const harmless = gateway.exchange(callOf('get_file')).rewrite({ params: { name: 'list_files' } })
    await expect(verdict(sent, harmless)).resolves.toBe('sent')
  })

  test('is judged, too, when the call was changed before it was put into another session', async () => {
    const exchange = gateway
      .exchange(callOf('x'))
      .rewrite({ params: { name: 'delete_x' } })
      .with({ headers: {} })
    await expect(verdict(sent, exchange)).resolves.toEqual(['insufficient_scope', ['read', 'write']])
  })

  test('goes on untouched where it is what the client said: that has been judged', () => {
    const exchange = gateway.exchange(callOf('delete_file'))
    expect(
      sent.handle(exchange, (given) => (given === exchange ? accepted : Promise.reject(new Error('another')))),
    ).toBe(accepted)
  })
})

test('both judge the rules of the member that a call goes to, by the last name of its path', async () => {
  const exchange = gateway.exchange(callOf('delete_file'), {
    path: ['all', 'weather'],
    config: { url: 'http://x', scopes: {} },
  })
  await expect(verdict(new Authorize('said', ['read']), exchange)).resolves.toBe('sent')
})

test('rules that cannot work are a fault that names the member, not the aggregate', async () => {
  const broken = { url: 'http://x', scopes: { tools: { x: ['a b'] } } }
  const exchange = gateway.exchange(callOf('x'), { path: ['all', 'weather'], config: broken })
  await expect(new Authorize('said', []).handle(exchange, next)).rejects.toThrow(/weather/)
})

test('a stop is no matter of theirs: what may be sent is handed on, and refused below', async () => {
  const exchange = gateway.exchange(callOf('get_file'))
  exchange.life.stop(closing())
  await expect(gateway.pipeline.handleOf(gateway.config, 'client')(exchange)).rejects.toMatchObject({ code: 'closing' })
  expect(gateway.upstream.told).toEqual([])
})

test('they apply where a server has rules, and nowhere else', () => {
  const layer = new Authorize('said', ['read'])
  expect(layer.applies({ url: 'http://x', ...config })).toBe(true)
  expect(layer.applies({ url: 'http://x', scopes: {} })).toBe(true)
  expect(layer.applies({ url: 'http://x' })).toBe(false)
})
