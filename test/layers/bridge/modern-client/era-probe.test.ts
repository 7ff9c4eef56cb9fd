import type { GatewayErrorCode } from '../../../../lib/errors.ts'
import { type LegacyServer, legacyServer, callOf, request } from '../../../support/bridged-modern.ts'
import { refuse } from '../../../support/bridged.ts'
import type { Asked } from '../../../support/memory-upstream.ts'
import { settled } from '../../../support/fixture.ts'

let server: LegacyServer

beforeEach(() => {
  server = legacyServer({ config: { protocol: 'auto' } })
})
afterEach(() => server.close())

const kinds = (): string[] => server.upstream.asked.entries.map(({ kind }) => kind)
const isBridged = (): boolean => kinds().includes('initialize')

const MODERN = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} }

test('UC3 a server of unknown era is asked before a request could be misunderstood, once for all who come', async () => {
  let probe: Asked | undefined
  server.upstream.once('server/discover', (asked) => void (probe = asked))
  const clients = ['a', 'b'].map((name) => server.ask(callOf(name)))
  await settled()
  expect(kinds()).toEqual(['server/discover'])
  expect(probe!.exchange.message).toMatchObject({ params: { _meta: {} } })
  probe!.error(-32601, 'Method not found', 404)
  await Promise.all(clients)
  await server.ask(callOf())
  expect(kinds().filter((kind) => kind === 'server/discover')).toHaveLength(1)
  expect(isBridged()).toBe(true)
})

test('12 CL9 a server of both eras, or of the modern one, is never bridged', async () => {
  server.upstream.on('server/discover', (asked) => asked.json(MODERN))
  const call = callOf()
  await server.ask(call)
  expect(server.upstream.asked.entries.at(-1)!.exchange.message).toBe(call)
  await server.ask(request('server/discover'))
  expect(kinds()).toEqual(['server/discover', 'tools/call', 'server/discover'])
})

test.each<[string, (asked: Asked) => void, boolean]>([
  ['a modern error', (asked) => refuse(asked, -32021), false],
  ['-32022 with the modern revision', (asked) => refuse(asked, -32022, { supported: ['2026-07-28'] }), false],
  ['-32022 with legacy revisions alone', (asked) => refuse(asked, -32022, { supported: ['2025-11-25'] }), true],
  ['that a session is missing', (asked) => asked.error(-32000, 'Bad Request', 400), true],
  ['a plain 400', (asked) => asked.fail('upstream_refused', 400), true],
  ['a plain 404', (asked) => asked.fail('upstream_refused', 404), true],
  ['that it has a handshake, as a pipe does', (asked) => asked.fail('bad_request'), true],
  ['a result of its own', (asked) => asked.json({ anything: true }), true],
])('UC3 %s says which era it is', async (_, answer, bridges) => {
  server.upstream.on('server/discover', answer)
  await server.ask(callOf())
  expect(isBridged()).toBe(bridges)
})

test.each<[GatewayErrorCode, number]>([
  ['upstream_unreachable', 502],
  ['upstream_timeout', 504],
  ['upstream_unauthorized', 502],
  ['upstream_refused', 503],
])('ER9 UC3 %s says nothing of its era: the client is told, and the next request asks again', async (code, status) => {
  server.upstream.once('server/discover', (asked) => asked.fail(code, status))
  expect(await server.ask(callOf())).toMatchObject({ status })
  expect(isBridged()).toBe(false)
  server.upstream.on('server/discover', (asked) => asked.fail('upstream_refused', 404))
  expect(await server.ask(callOf())).toMatchObject({ status: 200 })
  expect(isBridged()).toBe(true)
})

test('UC3 a client that leaves does not end the question for the others', async () => {
  let probe: Asked | undefined
  server.upstream.once('server/discover', (asked) => void (probe = asked))
  const first = server.send(callOf('a'))
  const second = server.ask(callOf('b'))
  await settled()
  first.leave()
  await first.over
  probe!.error(-32601, 'Method not found')
  expect(await second).toMatchObject({ status: 200 })
})

test('12 UC3 a server that refuses the handshake with a modern error is asked again', async () => {
  server.upstream.on('server/discover', (asked) => asked.error(-32601, 'no'))
  await server.ask(callOf())
  server.upstream.sessions.clear()
  server.upstream.on('server/discover', (asked) => asked.json(MODERN))
  server.upstream.on('initialize', (asked) => {
    server.eras.learn(server.upstream.id, { error: { code: -32022 } })
    refuse(asked, -32022, { supported: ['2026-07-28'] })
  })
  expect(await server.ask(callOf())).toMatchObject({ status: 502 })
  const call = callOf()
  expect(await server.ask(call)).toMatchObject({ status: 200 })
  expect(server.upstream.asked.entries.at(-1)!.exchange.message).toBe(call)
})

test('a server that is modern by its config is not asked, and one that is legacy neither', async () => {
  await server.close()
  server = legacyServer({ config: { protocol: 'modern' } })
  await server.ask(callOf())
  expect(kinds()).toEqual(['tools/call'])
  await server.close()
  server = legacyServer()
  await server.ask(callOf())
  expect(kinds()).not.toContain('server/discover')
})
