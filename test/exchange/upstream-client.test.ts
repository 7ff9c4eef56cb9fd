// The client of our own: what it asks in both eras, what it makes of answers, and how it takes its leave.
import { GatewayError } from '../../lib/errors.ts'
import { answer } from '../../lib/exchange/answer.ts'
import type { Exchange } from '../../lib/exchange/exchange.ts'
import type { Message } from '../../lib/exchange/message.ts'
import type { Handle, Reply } from '../../lib/exchange/reply.ts'
import { UpstreamClient } from '../../lib/exchange/upstream-client.ts'
import { RpcError } from '../../lib/rpc-error.ts'
import type { UpstreamState } from '../../lib/types.ts'
import {
  collect,
  emptyReply,
  eventOf,
  exchangeOf,
  jsonReply,
  progress,
  resultOf,
  scripted,
  Source,
  turn,
} from './parts.ts'

const state: UpstreamState = { upstream: 'http://127.0.0.1/mcp', protocolVersion: '2025-11-25', id: 'own' }
const info = { name: 'gateway', version: '1' }
const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: info }
const agreed = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: info }

/** The body of what was asked, parsed. */
const saidIn = (exchange: Exchange | undefined): unknown => JSON.parse(exchange?.body?.toString() ?? 'null')

/** A response to whatever is asked, with its id. */
function answering(outcome: object): Handle & { readonly asked: Exchange[] } {
  const asked: Exchange[] = []
  const handle = async (exchange: Exchange): Promise<Reply> => {
    asked.push(exchange)
    return jsonReply(JSON.stringify({ jsonrpc: '2.0', id: exchange.requestIds[0], ...outcome }))
  }
  return Object.assign(handle, { asked })
}

function legacyClient(handle: Handle, parent = exchangeOf()): UpstreamClient {
  return new UpstreamClient({ handle, parent, era: 'legacy', state })
}

describe('opening a session', () => {
  const opening = (): Reply => ({ ...jsonReply(JSON.stringify(resultOf('gateway-1', agreed))), opened: state })

  test('LC1 is a handshake, then the word that it is done, in the session that was opened', async () => {
    const next = scripted(opening(), emptyReply)
    const [client, result] = await UpstreamClient.open(next, exchangeOf({ headers: { 'x-own': '1' } }), handshake)
    expect([client.state, result]).toEqual([state, agreed])
    expect(next.asked.map(saidIn)).toEqual([
      { jsonrpc: '2.0', id: 'gateway-1', method: 'initialize', params: handshake },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
    ])
    expect(next.asked.map((exchange) => [exchange.verb, exchange.state, exchange.headers])).toEqual([
      ['POST', undefined, {}],
      ['POST', state, { 'mcp-protocol-version': '2025-11-25' }],
    ])
    expect(next.asked[0]?.opens).toBe(true)
  })

  test('fails where the server agrees to no revision', async () => {
    const next = scripted(jsonReply(JSON.stringify(resultOf('gateway-1', {}))))
    await expect(UpstreamClient.open(next, exchangeOf(), handshake)).rejects.toMatchObject({ code: 'upstream_invalid' })
    expect(next.asked).toHaveLength(1)
  })

  test("fails with the server's own words where it refuses", async () => {
    const next = scripted(
      jsonReply('{"jsonrpc":"2.0","id":"gateway-1","error":{"code":-32602,"message":"no","data":[1]}}'),
    )
    const failure = await UpstreamClient.open(next, exchangeOf(), handshake).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(RpcError)
    expect(failure).toMatchObject({ code: -32602, message: 'no', data: [1] })
  })

  test('ends what it has opened where it cannot go on', async () => {
    const next = scripted(opening(), new GatewayError('upstream_broken', 'The connection broke'), emptyReply)
    await expect(UpstreamClient.open(next, exchangeOf(), handshake)).rejects.toMatchObject({ code: 'upstream_broken' })
    expect(next.asked.map(({ verb }) => verb)).toEqual(['POST', 'POST', 'DELETE'])
  })
})

describe('a request', () => {
  test('of a legacy client is asked in its session, each with an id of its own, and has the result', async () => {
    const next = answering({ result: { tools: [] } })
    const client = legacyClient(next)
    expect(await client.request('tools/list', { cursor: 'a' })).toEqual({ tools: [] })
    await client.request('ping')
    expect(next.asked.map(saidIn)).toEqual([
      { jsonrpc: '2.0', id: 'gateway-1', method: 'tools/list', params: { cursor: 'a' } },
      { jsonrpc: '2.0', id: 'gateway-2', method: 'ping' },
    ])
    expect(next.asked[0]).toMatchObject({ state, headers: { 'mcp-protocol-version': '2025-11-25' } })
  })

  test('of a modern client introduces it, beside what its caller says of the request', async () => {
    const next = answering({ result: {} })
    const client = UpstreamClient.modern(next, exchangeOf(), info)
    await client.request('tools/call', { name: 'a', _meta: { progressToken: 1 } })
    expect(client.state).toBeUndefined()
    expect(next.asked[0]).toMatchObject({
      state: undefined,
      headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call' },
      message: { era: 'modern' },
    })
    expect(saidIn(next.asked[0])).toMatchObject({
      params: {
        name: 'a',
        _meta: {
          progressToken: 1,
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
          'io.modelcontextprotocol/clientInfo': info,
        },
      },
    })
  })

  test('has the result of a stream, and what comes before it is handed on', async () => {
    const source = new Source()
    const client = legacyClient(scripted(source.reply(['gateway-1'])))
    const reply = answer(exchangeOf(), async (out) => ({
      text: JSON.stringify(await client.request('tools/call', {}, out)),
    }))
    await turn()
    source.say(eventOf(progress(1)))
    const sink = collect(await reply)
    source.say(eventOf(resultOf('gateway-1', { ok: 1 })))
    await turn()
    expect(sink.bytes.toString()).toBe(eventOf(progress(1)) + eventOf({ ok: 1 }))
  })

  test("fails with the server's own words", async () => {
    const client = legacyClient(answering({ error: { code: -1 } }))
    await expect(client.request('ping')).rejects.toMatchObject({ code: -1, message: 'an error without a message' })
  })

  test.each([
    ['nothing', () => emptyReply],
    ['no JSON', () => jsonReply('<html>')],
    ['a result that is no object', () => jsonReply('{"jsonrpc":"2.0","id":"gateway-1","result":7}')],
  ])('fails where the server answers %s', async (_, make) => {
    await expect(legacyClient(scripted(make())).request('ping')).rejects.toMatchObject({ code: 'upstream_invalid' })
  })

  test('fails as the pipeline does', async () => {
    const timeout = new GatewayError('upstream_timeout', 'No answer in time')
    await expect(legacyClient(scripted(timeout)).request('ping')).rejects.toBe(timeout)
  })

  test('ends with those it is made for, for their reason', async () => {
    const closing = new GatewayError('closing', 'The gateway is closing')
    const [source, parent] = [new Source(), exchangeOf()]
    const next = scripted(source.reply())
    const asking = legacyClient(next, parent).request('ping')
    await turn()
    parent.life.stop(closing)
    expect(next.asked[0]?.life.stopped).toBe(closing)
    source.break(new Error('aborted'))
    await expect(asking).rejects.toBe(closing)
  })

  test('asks for whom it is made, at the same server', async () => {
    const [next, parent] = [answering({ result: {} }), exchangeOf()]
    await legacyClient(next, parent).request('ping')
    expect([next.asked[0]?.origin, next.asked[0]?.config, next.asked[0]?.path]).toEqual([
      parent.origin,
      parent.config,
      ['weather'],
    ])
    expect(next.asked[0]?.origin).toBe(parent.origin)
  })
})

describe('what needs no answer', () => {
  test('is a notification, with its params', async () => {
    const next = scripted(emptyReply)
    await legacyClient(next).notify('notifications/cancelled', { requestId: 1 })
    expect(saidIn(next.asked[0])).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 1 },
    })
  })

  test("is the answer to a server's question, a result or an error", async () => {
    const next = scripted(emptyReply, emptyReply)
    const client = legacyClient(next)
    await client.respond('q', { result: { roots: [] } })
    await client.respond(7, { error: { code: -32601, message: 'no' } })
    expect(next.asked.map(saidIn)).toEqual([
      { jsonrpc: '2.0', id: 'q', result: { roots: [] } },
      { jsonrpc: '2.0', id: 7, error: { code: -32601, message: 'no' } },
    ])
    expect(next.asked[0]).toMatchObject({ state, message: { kind: 'response', id: 'q', result: { roots: [] } } })
  })

  test('lets go of what is answered all the same', async () => {
    const source = new Source()
    await legacyClient(scripted(source.reply())).notify('notifications/initialized')
    expect(source.isCancelled).toBe(true)
  })
})

describe('listening', () => {
  test('hears what a server says, one message after the other, until it is closed', async () => {
    const source = new Source()
    const next = scripted(source.reply([]))
    const heard: Message[] = []
    const waiting: (() => void)[] = []
    const listening = await legacyClient(next).listen({}, (message) => {
      heard.push(message)
      return new Promise((resolve) => waiting.push(resolve))
    })
    expect(next.asked[0]).toMatchObject({ verb: 'GET', message: undefined, state })
    source.say(eventOf(progress(1)) + eventOf({ jsonrpc: '2.0', id: 'q', method: 'roots/list' }))
    await turn()
    expect(heard).toMatchObject([{ kind: 'notification', method: 'notifications/progress' }])
    waiting.shift()?.()
    await turn()
    expect(heard).toMatchObject([{}, { kind: 'request', id: 'q', method: 'roots/list' }])
    listening.close()
    expect(next.asked[0]?.life.stopped).toBeInstanceOf(GatewayError)
  })

  test('in the modern era is a subscription with a filter', async () => {
    const next = scripted(new Source().reply([]))
    await UpstreamClient.modern(next, exchangeOf(), info).listen(
      { notifications: { toolsListChanged: true } },
      () => {},
    )
    expect(next.asked[0]).toMatchObject({ verb: 'POST', headers: { 'mcp-method': 'subscriptions/listen' } })
    expect(next.asked[0]?.listens).toBe(true)
    expect(saidIn(next.asked[0])).toMatchObject({
      method: 'subscriptions/listen',
      params: { notifications: { toolsListChanged: true }, _meta: { 'io.modelcontextprotocol/clientInfo': info } },
    })
  })

  test('ends alone: requests of the same client go on', async () => {
    const next = scripted(new Source().reply([]), jsonReply(JSON.stringify(resultOf('gateway-1'))))
    const client = legacyClient(next)
    const listening = await client.listen({}, () => {})
    listening.close()
    expect(await client.request('ping')).toEqual({ content: [] })
    expect(next.asked[1]?.life.stopped).toBeUndefined()
  })

  test('to a stream that has ended leaves nothing behind with those it is made for', async () => {
    const [source, parent] = [new Source(), exchangeOf()]
    const next = scripted(source.reply([]))
    const over = new Promise<void>((resolve) => void legacyClient(next, parent).listen({}, () => {}, resolve))
    await turn()
    source.end()
    await over
    parent.life.stop(new GatewayError('closing', 'The gateway is closing'))
    expect(next.asked[0]?.life.stopped).toBeUndefined()
  })

  test('that is refused leaves nothing behind either', async () => {
    const parent = exchangeOf()
    const next = scripted(emptyReply, new GatewayError('upstream_broken', 'The connection broke'))
    const client = legacyClient(next, parent)
    for (const code of ['upstream_invalid', 'upstream_broken']) {
      await expect(client.listen({}, () => {})).rejects.toMatchObject({ code })
    }
    parent.life.stop(new GatewayError('closing', 'The gateway is closing'))
    expect(next.asked.map(({ life }) => life.stopped)).toEqual([undefined, undefined])
  })

  test.each([
    ['a document', () => jsonReply('{}')],
    ['nothing', () => emptyReply],
  ])('fails where the server answers %s', async (_, make) => {
    const listening = legacyClient(scripted(make())).listen({}, () => {})
    await expect(listening).rejects.toMatchObject({ code: 'upstream_invalid' })
  })
})

describe('closing', () => {
  test('SS4 ends the session behind, once, also for a parent that was stopped', async () => {
    const parent = exchangeOf()
    const next = scripted(emptyReply)
    const client = legacyClient(next, parent)
    parent.life.stop(new GatewayError('closing', 'The gateway is closing'))
    await client.close()
    await client.close()
    expect(next.asked).toHaveLength(1)
    expect(next.asked[0]).toMatchObject({ verb: 'DELETE', message: undefined, state })
    expect(next.asked[0]?.headers).toEqual({ 'mcp-protocol-version': '2025-11-25' })
    expect([next.asked[0]?.life.stopped, client.state]).toEqual([undefined, undefined])
  })

  test('gives up whatever is under way', async () => {
    const source = new Source()
    const next = scripted(source.reply([]), new Source().reply(), emptyReply)
    const client = legacyClient(next)
    await client.listen({}, () => {})
    const asking = client.request('tools/call').catch((error: unknown) => error)
    await turn()
    await client.close()
    expect(next.asked.map(({ verb, life }) => [verb, life.stopped?.code])).toEqual([
      ['GET', 'closing'],
      ['POST', 'closing'],
      ['DELETE', undefined],
    ])
    void asking
  })

  test('has nothing to say to a server without sessions, and never rejects', async () => {
    const silent = scripted()
    await UpstreamClient.modern(silent, exchangeOf(), info).close()
    await new UpstreamClient({
      handle: silent,
      parent: exchangeOf(),
      era: 'legacy',
      state: { upstream: 'a', protocolVersion: 'b' },
    }).close()
    expect(silent.asked).toEqual([])
    const failing = scripted(new Error('unreachable'))
    await legacyClient(failing).close()
    expect(failing.asked).toHaveLength(1)
  })
})
