// One message on its way: what its copies share, what they say, and in whose context hooks are asked.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import type { ClientSession } from '../../lib/exchange/exchange.ts'
import { GatewayError } from '../../lib/errors.ts'
import { Lifetime } from '../../lib/exchange/lifetime.ts'
import { type Message, notificationOf, requestOf } from '../../lib/exchange/message.ts'
import { exchangeOf, originOf } from './parts.ts'

const closing = new GatewayError('closing', 'The gateway is closing')

/** A request as it stood on the wire. */
function said(text: string): Message {
  return { ...(JSON.parse(text) as object), kind: 'request', era: 'legacy', text } as unknown as Message
}

const TEXT = '{"jsonrpc": "2.0", "id": 12345678901234567890, "method": "tools/call", "params": {"n": 1.0, "name": "a"}}'

describe('the bytes of an exchange', () => {
  test('are the very bytes it came with', () => {
    const bytes = Buffer.from(`  ${TEXT}\n`)
    expect(exchangeOf({ message: said(TEXT) }, bytes).body).toBe(bytes)
  })

  test('are made of the text where it came with none, once', () => {
    const exchange = exchangeOf({ message: said(TEXT) })
    expect(exchange.body?.toString()).toBe(TEXT)
    expect(exchange.body).toBe(exchange.body)
  })

  test('are none where there is no message', () => {
    expect(exchangeOf({ verb: 'GET', message: undefined }).body).toBeUndefined()
  })

  test('stay with a copy of the same message, and not with another one', () => {
    const bytes = Buffer.from(TEXT)
    const exchange = exchangeOf({ message: said(TEXT) }, bytes)
    expect(exchange.with({ headers: { a: '1' } }).body).toBe(bytes)
    expect(exchange.fork({ message: exchange.message }).body).toBe(bytes)
    expect(exchange.with({ verb: 'GET', message: undefined }).body).toBeUndefined()
    const other = requestOf('legacy', 2, 'ping')
    expect(exchange.with({ message: other }).body?.toString()).toBe(other.text)
  })
})

describe('a copy', () => {
  test('differs in what was changed alone, and leaves the original as it is', () => {
    const exchange = exchangeOf()
    const copy = exchange.with({ verb: 'GET', headers: { 'last-event-id': '7' }, path: ['all', 'weather'] })
    expect([copy.verb, copy.headers, copy.path]).toEqual(['GET', { 'last-event-id': '7' }, ['all', 'weather']])
    expect([exchange.verb, exchange.headers, exchange.path]).toEqual(['POST', {}, ['weather']])
    expect([copy.origin, copy.config, copy.state, copy.message]).toEqual([
      exchange.origin,
      exchange.config,
      exchange.state,
      exchange.message,
    ])
    expect(copy.origin).toBe(exchange.origin)
  })

  test('can be without a state', () => {
    expect(exchangeOf().with({ state: undefined }).state).toBeUndefined()
  })

  test('made by with() shares the lifetime', () => {
    const exchange = exchangeOf()
    expect(exchange.with({ headers: {} }).life).toBe(exchange.life)
  })

  test('made by fork() is stopped with the original, and can be stopped alone', () => {
    const exchange = exchangeOf()
    const [one, other] = [exchange.fork({}), exchange.fork({})]
    one.life.stop(new GatewayError('upstream_timeout', 'No answer in time'))
    expect([exchange.life.stopped, other.life.stopped]).toEqual([undefined, undefined])
    exchange.life.stop(closing)
    expect(other.life.stopped).toBe(closing)
  })

  test('made by fork() takes another lifetime where it is given one', () => {
    const [exchange, life] = [exchangeOf(), new Lifetime(true)]
    expect(exchange.fork({}, life).life).toBe(life)
  })
})

describe('rewriting', () => {
  test('HD9 changes what is meant, and leaves the rest of the text byte for byte', () => {
    const exchange = exchangeOf({ message: said(TEXT) }, Buffer.from(TEXT))
    const rewritten = exchange.rewrite({ params: { n: 1, name: 'b' } })
    expect(rewritten.body?.toString()).toBe(TEXT.replace('"a"', '"b"'))
    expect(rewritten.message).toMatchObject({ text: TEXT.replace('"a"', '"b"'), params: { n: 1, name: 'b' } })
    expect(exchange.body?.toString()).toBe(TEXT)
    expect(exchange.message).toMatchObject({ text: TEXT, params: { n: 1, name: 'a' } })
  })

  test('gives another method and another id', () => {
    const { message, requestIds } = exchangeOf().rewrite({ method: 'prompts/get', id: 'seven' })
    expect(message).toMatchObject({ kind: 'request', method: 'prompts/get', id: 'seven' })
    expect(JSON.parse(message!.text)).toMatchObject({
      method: 'prompts/get',
      id: 'seven',
      params: { name: 'forecast' },
    })
    expect(requestIds).toEqual(['seven'])
  })

  test('HD12 takes the headers that repeat its params in place of those that crossed, and keeps all others', () => {
    const headers = { 'mcp-param-city': 'Bern', 'mcp-method': 'tools/call', accept: 'application/json' }
    const exchange = exchangeOf({ headers })
    expect(exchange.rewrite({ params: {} }).headers).toEqual(headers)
    const { headers: rewritten } = exchange.rewrite({ params: {} }, { 'mcp-param-town': 'Thun' })
    expect(rewritten).toEqual({ 'mcp-param-town': 'Thun', 'mcp-method': 'tools/call', accept: 'application/json' })
    expect(exchange.headers).toEqual(headers)
  })

  test('is remembered by every copy that follows, and is no matter of those before', () => {
    const exchange = exchangeOf()
    const rewritten = exchange.rewrite({ params: {} })
    expect([exchange, exchange.with({ headers: {} }), exchange.fork({})].map((one) => one.isRewritten)).toEqual([
      false,
      false,
      false,
    ])
    expect([rewritten, rewritten.with({ headers: {} }), rewritten.fork({})].map((one) => one.isRewritten)).toEqual([
      true,
      true,
      true,
    ])
  })

  test('shares the lifetime', () => {
    const exchange = exchangeOf()
    expect(exchange.rewrite({ params: {} }).life).toBe(exchange.life)
  })

  test('is for a notification too, and for nothing else', () => {
    const notification = exchangeOf({ message: notificationOf('legacy', 'notifications/cancelled', { requestId: 1 }) })
    expect(notification.rewrite({ params: { requestId: 2 } }).body?.toString()).toContain('{"requestId":2}')
    const response = { kind: 'response', era: 'legacy', id: 1, result: {}, text: '{"id":1,"result":{}}' } as const
    const batch = { kind: 'batch', era: 'legacy', items: [], text: '[]' } as const
    for (const message of [undefined, response, batch]) {
      expect(() => exchangeOf({ message }).rewrite({ params: {} })).toThrow(TypeError)
    }
  })
})

describe('for a member of an aggregate', () => {
  const TOLD = { config: { url: 'http://127.0.0.1:2/mcp' }, state: undefined, headers: { a: '1' } }

  test('stands under its name, in its session, and is to be authorized again', () => {
    const exchange = exchangeOf({}, Buffer.from(TEXT))
    const session = { id: 's~crm' } as unknown as ClientSession
    const { verb, message } = exchange
    const life = new Lifetime()
    const entry = { ...TOLD, life, verb, message, isOwn: false, continues: false }
    const entered = exchange.forMember('weather/crm', session, entry)
    expect(entered).toMatchObject({ ...TOLD, path: ['weather', 'weather/crm'], isRewritten: true, isOwn: false })
    expect([entered.life, entered.origin.session, entered.origin.server]).toEqual([life, session, 'weather/crm'])
    expect([entered.body, entered.message]).toEqual([exchange.body, message])
    expect([exchange.path, exchange.isRewritten]).toEqual([['weather'], false])
  })

  test('has the bytes of its own message', () => {
    const exchange = exchangeOf({}, Buffer.from(TEXT))
    const other = requestOf('legacy', 2, 'ping')
    const entry = { ...TOLD, life: exchange.life, verb: 'POST', message: other, isOwn: true, continues: true } as const
    const entered = exchange.forMember('weather/crm', undefined, entry)
    expect(entered.body?.toString()).toBe(other.text)
    expect([entered.isOwn, entered.continues]).toEqual([true, true])
  })
})

describe('what an exchange is', () => {
  test('a handshake opens a session behind, unless there is one, or it is modern', () => {
    const handshake = exchangeOf({ message: requestOf('legacy', 1, 'initialize', {}), state: undefined })
    expect(handshake.opens).toBe(true)
    expect(exchangeOf({ message: handshake.message }).opens).toBe(false)
    expect(handshake.with({ message: requestOf('modern', 1, 'initialize', {}) }).opens).toBe(false)
    expect(handshake.with({ message: requestOf('legacy', 1, 'ping') }).opens).toBe(false)
  })

  test('a GET listens, and so does subscriptions/listen', () => {
    expect(exchangeOf({ verb: 'GET', message: undefined }).listens).toBe(true)
    expect(exchangeOf({ message: requestOf('modern', 1, 'subscriptions/listen', {}) }).listens).toBe(true)
    expect(exchangeOf().listens).toBe(false)
  })

  test('RPC10 a reply is for requests and for a GET; a notification is accepted', () => {
    expect(exchangeOf().isAnswered).toBe(true)
    expect(exchangeOf({ verb: 'GET', message: undefined }).isAnswered).toBe(true)
    expect(exchangeOf({ verb: 'DELETE', message: undefined }).isAnswered).toBe(false)
    expect(exchangeOf({ message: notificationOf('legacy', 'notifications/initialized') }).isAnswered).toBe(false)
  })

  test('SE4 SE5 disconnecting ends a listener and a modern request, and no legacy POST', () => {
    const modern = originOf({ era: 'modern' })
    expect(exchangeOf().endsWithClient).toBe(false)
    expect(exchangeOf({ verb: 'GET', message: undefined }).endsWithClient).toBe(true)
    expect(exchangeOf({ origin: modern }).endsWithClient).toBe(true)
  })
})

test('a client is gone once its response was destroyed, and there is none to be gone where the gateway acts by itself', () => {
  const response = { destroyed: false } as ServerResponse
  const origin = originOf({ response })
  expect(origin.isGone).toBe(false)
  Object.assign(response, { destroyed: true })
  expect([origin.isGone, originOf().isGone]).toEqual([true, false])
})

describe('a hook that is bound to an origin', () => {
  const context = new AsyncLocalStorage<string>()
  const who = (): string | undefined => context.getStore()

  test('is asked in the async context of the request, whoever calls it, and so is what it waits for', async () => {
    const origin = context.run('ada', () => originOf())
    const hook = origin.bind(async (greeting: string) => {
      await new Promise(setImmediate)
      return `${greeting}, ${who()}`
    })
    expect(await context.run('bob', () => hook('Hello'))).toBe('Hello, ada')
    expect(await hook('Bye')).toBe('Bye, ada')
  })

  test('leaves its caller in the context it was in, and throws what it throws', () => {
    const origin = context.run('ada', () => originOf())
    context.run('bob', () => {
      expect(() =>
        origin.bind(() => {
          throw new Error(who())
        })(),
      ).toThrow('ada')
      expect(who()).toBe('bob')
    })
  })

  test('is of each request its own', () => {
    const hooks = ['ada', 'bob'].map((name) => context.run(name, () => originOf()).bind(who))
    expect(hooks.map((hook) => hook())).toEqual(['ada', 'bob'])
  })
})
