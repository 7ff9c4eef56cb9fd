// Which eras an upstream speaks: said by its config, or learnt from the answer to a handshake and remembered a while.
import { jest } from '@jest/globals'
import { GatewayError } from '../../lib/errors.ts'
import type { Message } from '../../lib/exchange/message.ts'
import type { Era, ServerConfig } from '../../lib/types.ts'
import { Eras } from '../../lib/upstream/eras.ts'

const url = 'http://127.0.0.1:3001/mcp'
const auto: ServerConfig = { url }
/** What names the upstream behind that URL. */
const ID = 'upstream-1'
const refusal = (code: number) => ({ jsonrpc: '2.0', id: 1, error: { code, message: 'no' } })
const agreement = { jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-11-25' } }

const request = (era: Era, method: string, params?: Record<string, unknown>): Message => ({
  kind: 'request',
  era,
  id: 1,
  method,
  params,
  text: '',
})
const notification = (era: Era, method: string): Message => ({
  kind: 'notification',
  era,
  method,
  params: undefined,
  text: '',
})

function caught(run: () => void): GatewayError {
  try {
    run()
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('what the config says', () => {
  const messages: Message[] = [
    request('legacy', 'initialize', { protocolVersion: '2025-06-18' }),
    request('legacy', 'tools/list'),
    request('modern', 'server/discover'),
    notification('legacy', 'notifications/initialized'),
    notification('modern', 'notifications/progress'),
    { kind: 'response', era: 'legacy', id: 1, result: {}, text: '' },
    { kind: 'batch', era: 'legacy', items: [request('legacy', 'tools/list')], text: '' },
  ]

  test('CL9 without a protocol, or with auto, both eras pass', () => {
    for (const message of messages) {
      expect(() => new Eras().check(auto, message)).not.toThrow()
      expect(() => new Eras().check({ url, protocol: 'auto' }, message)).not.toThrow()
    }
  })

  test.each(['legacy', 'modern'] as const)('CL9 with %s the messages of that era pass and no other', (protocol) => {
    for (const message of messages) {
      const check = () => new Eras().check({ url, protocol, bridge: false }, message)
      if (message.era === protocol) expect(check).not.toThrow()
      else expect(check).toThrow(GatewayError)
    }
  })

  test('CL9 with modern the messages of sessions pass, too, where a bridge serves them', () => {
    for (const message of messages) {
      expect(() => new Eras().check({ url, protocol: 'modern' }, message)).not.toThrow()
    }
  })

  test('ER9 with legacy a modern probe gets a 400 that no client takes for a modern error', () => {
    const error = caught(() => new Eras().check({ url, protocol: 'legacy' }, request('modern', 'server/discover')))
    expect(error.status).toBe(400)
    const { code } = (JSON.parse(error.toJsonRpc(1)) as { error: { code: number } }).error
    expect([-32_020, -32_021, -32_022, -32_601, -32_602]).not.toContain(code)
  })

  test('CL10 with modern a handshake gets -32022 with what is supported and what it asked for', () => {
    const initialize = request('legacy', 'initialize', { protocolVersion: '2025-06-18' })
    const error = caught(() => new Eras().check({ url, protocol: 'modern', bridge: false }, initialize))
    expect(error.status).toBe(400)
    expect(JSON.parse(error.toJsonRpc(1))).toMatchObject({
      id: 1,
      error: { code: -32022, data: { supported: ['2026-07-28'], requested: '2025-06-18' } },
    })
  })

  test('CL10 with modern a message that asks for no version gets none made up', () => {
    const error = caught(() =>
      new Eras().check({ url, protocol: 'modern', bridge: false }, request('legacy', 'tools/list')),
    )
    expect((JSON.parse(error.toJsonRpc(1)) as { error: { data: unknown } }).error.data).toEqual({
      supported: ['2026-07-28'],
    })
  })

  test('RT4 modern is modern and legacy is legacy, whatever the upstream has answered', () => {
    const eras = new Eras()
    eras.learn(ID, refusal(-32022))
    expect(eras.isModernOnly({ url, protocol: 'legacy' }, ID)).toBe(false)
    eras.learn(ID, agreement)
    expect(eras.isModernOnly({ url, protocol: 'modern' }, ID)).toBe(true)
  })
})

describe('what an upstream has answered', () => {
  test('UC3 nothing is known of an upstream before it has answered', () => {
    expect(new Eras().isModernOnly(auto, ID)).toBe(false)
  })

  test.each([-32020, -32022])('UC2 who answers a handshake with %d has no sessions', (code) => {
    const eras = new Eras()
    eras.learn(ID, refusal(code))
    expect(eras.isModernOnly(auto, ID)).toBe(true)
    expect(eras.isModernOnly({ url: new URL(url) }, ID)).toBe(true)
    expect(eras.isModernOnly(auto, 'upstream-2')).toBe(false)
  })

  test.each([
    ['an agreement', agreement],
    ['a legacy refusal', refusal(-32000)],
    ['a capability that one client lacks', refusal(-32021)],
    [
      'a refusal that names a revision with a handshake',
      { error: { code: -32022, data: { supported: ['2025-11-25'] } } },
    ],
    ['an unknown method', refusal(-32601)],
    ['wrong parameters', refusal(-32602)],
    ['a code that is text', { error: { code: '-32022' } }],
    ['nothing', undefined],
    ['null', null],
    ['text', 'no'],
    ['an error that is null', { error: null }],
  ])('UC2 %s is no evidence, and takes back what was learnt before', (_what, answer) => {
    const eras = new Eras()
    eras.learn(ID, answer)
    expect(eras.isModernOnly(auto, ID)).toBe(false)
    eras.learn(ID, refusal(-32022))
    eras.learn(ID, answer)
    expect(eras.isModernOnly(auto, ID)).toBe(false)
  })

  test('UC3 what has turned out to be wrong is forgotten at once', () => {
    const eras = new Eras()
    eras.learn(ID, refusal(-32022))
    eras.unlearn(ID)
    expect(eras.isModernOnly(auto, ID)).toBe(false)
  })

  test('UC3 a lesson is forgotten after a while, and can be learnt again', () => {
    jest.useFakeTimers()
    try {
      const eras = new Eras()
      eras.learn(ID, refusal(-32022))
      jest.advanceTimersByTime(60_000)
      expect(eras.isModernOnly(auto, ID)).toBe(true)
      jest.advanceTimersByTime(60 * 60_000)
      expect(eras.isModernOnly(auto, ID)).toBe(false)
      eras.learn(ID, refusal(-32022))
      expect(eras.isModernOnly(auto, ID)).toBe(true)
    } finally {
      jest.useRealTimers()
    }
  })

  test('SC6 UC3 of ever more upstreams the latest are remembered', () => {
    const eras = new Eras()
    const ids = Array.from({ length: 1_500 }, (_, n) => `upstream-${n}`)
    for (const id of ids) {
      eras.learn(id, refusal(-32022))
      eras.learn(ids[0]!, refusal(-32022))
    }
    const known = ids.filter((id) => eras.isModernOnly(auto, id))
    expect(known.length).toBeLessThanOrEqual(1_000)
    expect(known).toContain(ids[0])
    expect(known).toContain(ids.at(-1))
  })
})
