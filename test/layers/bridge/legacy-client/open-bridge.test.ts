// A handshake in front of a server without one: what it is answered from, and who is bridged at all.
import { SealedSessionStore } from '../../../../lib/stores/sealed-session-store.ts'
import { legacyCall } from '../../../support/fixture.ts'
import { type Bridged, bridged, DECLARED, OFFERED, paramsOf, refusal, shake } from '../../../support/bridged.ts'
import { META } from '../../../support/modern.ts'

let gateway: Bridged
afterEach(() => gateway.close())

describe('a handshake', () => {
  test.each([
    ['2025-03-26', '2025-03-26'],
    ['2025-06-18', '2025-06-18'],
    ['2025-11-25', '2025-11-25'],
    ['2024-11-05', '2025-11-25'],
    ['2099-01-01', '2025-11-25'],
    [undefined, '2025-11-25'],
  ])('LC1 that asks for %s is answered %s, with what the server says of itself', async (protocolVersion, expected) => {
    gateway = bridged()
    const client = await shake(gateway, { protocolVersion, capabilities: {} })
    expect(client.json).toEqual({
      jsonrpc: '2.0',
      id: 7,
      result: {
        protocolVersion: expected,
        capabilities: OFFERED,
        serverInfo: { name: 'modern', version: '3' },
        instructions: 'Be kind.',
      },
    })
    expect(client.sessionId).toBeDefined()
    expect((await gateway.find(client.sessionId!)).record.protocolVersion).toBe(expected)
    expect(gateway.upstream.told).toEqual(['server/discover'])
  })

  test('LC9 is told the name that the server has here when it says none', async () => {
    gateway = bridged()
    gateway.upstream.on('server/discover', (asked) =>
      asked.json({ supportedVersions: ['2026-07-28'], capabilities: {} }),
    )
    expect((await shake(gateway, {})).json).toMatchObject({ result: { serverInfo: { name: 'weather', version: '' } } })
  })

  test('14 TK5 LC4 is offered no tasks, and no subscriptions where a session cannot change', async () => {
    const tasks = { 'io.modelcontextprotocol/tasks': {}, 'com.example/more': { a: 1 } }
    const store = new SealedSessionStore({ keys: ['k'.repeat(32)] })
    gateway = bridged({ store, offered: { ...OFFERED, tasks: {}, extensions: tasks } })
    expect((await shake(gateway, {})).json).toMatchObject({
      result: { capabilities: { ...OFFERED, resources: {}, extensions: { 'com.example/more': { a: 1 } } } },
    })
    expect(JSON.stringify((await shake(gateway, {})).json)).not.toMatch(/tasks|subscribe/)
  })

  const URL_MODE = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: { listChanged: true } }
  test.each<[string, object, object]>([
    ['2025-11-25', DECLARED, { elicitation: {}, sampling: {}, roots: {} }],
    ['2025-11-25', URL_MODE, { ...URL_MODE, roots: {} }],
    ['2025-06-18', URL_MODE, { elicitation: {}, sampling: {}, roots: {} }],
    ['2025-03-26', URL_MODE, { sampling: {}, roots: {} }],
    ['2025-11-25', { tasks: {}, experimental: { a: {} } }, { experimental: { a: {} } }],
    ['2025-11-25', { extensions: { 'io.modelcontextprotocol/tasks': {} } }, {}],
  ])(
    'CL7 ST4 of %s with %j is introduced with every request as one with %j',
    async (version, capabilities, expected) => {
      gateway = bridged()
      const session = await gateway.open({ version, capabilities })
      await gateway.send(legacyCall('prompts/list', {}), { session }).over
      for (const asked of gateway.upstream.asked.entries) {
        expect(paramsOf(asked)['_meta']).toMatchObject({
          [META.protocolVersion]: '2026-07-28',
          [META.clientCapabilities]: expected,
          [META.clientInfo]: { name: 'old', version: '1' },
        })
        expect(Object.keys((paramsOf(asked)['_meta'] as object)[META.clientCapabilities as never])).toEqual(
          Object.keys(expected),
        )
        expect(asked.exchange.headers['mcp-protocol-version']).toBe('2026-07-28')
      }
    },
  )

  test('ST4 of a client that takes no events declares nothing by which it could be asked', async () => {
    gateway = bridged()
    const session = await gateway.open()
    await gateway.send(legacyCall(), { session, accepts: { json: true, events: false } }).over
    const { _meta } = paramsOf(gateway.upstream.asked.entries.at(-1)!)
    expect((_meta as Record<string, unknown>)[META.clientCapabilities]).toEqual({})
    expect(_meta).not.toHaveProperty(['io.modelcontextprotocol/logLevel'])
  })

  test('SC6 that is too long to be kept is refused, and the server is not asked', async () => {
    gateway = bridged()
    const client = await shake(gateway, { capabilities: { experimental: { a: 'x'.repeat(100_000) } } })
    expect(client.says).toEqual(['refused 400'])
    expect(gateway.upstream.told).toEqual([])
  })

  test('CL6 at a server without a common revision is a fault behind the gateway', async () => {
    gateway = bridged()
    gateway.upstream.on('server/discover', (asked) => asked.json({ supportedVersions: ['2027-01-01'] }))
    expect((await shake(gateway, {})).says).toEqual(['refused 502'])
    gateway.upstream.on('server/discover', (asked) => asked.text(refusal(-32_022), 400))
    expect((await shake(gateway, {})).says).toEqual(['refused 502'])
  })
})
