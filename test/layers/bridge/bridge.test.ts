// Which servers are bridged: those that have no handshake, as long as they have none. In this folder a bare
// number in the name of a test is one of the sixteen edge cases of the bridges' design, u2 to u5 are the layers that meet the
// bridge for modern clients: event log, recovery, resumption, cancellation.
import { type Bridged, bridged, refusal, refuse, shake } from '../../support/bridged.ts'
import { legacyCall, modernCall } from '../../support/fixture.ts'

let gateway: Bridged
afterEach(() => gateway.close())

describe('which servers are bridged', () => {
  test('UC3 a server of unknown era is asked for its handshake first, and is bridged when it has none', async () => {
    gateway = bridged({ config: { protocol: 'auto' } })
    gateway.upstream.on('initialize', (asked) => {
      gateway.eras.learn(gateway.upstream.id, JSON.parse(refusal(-32_022)))
      asked.text(refusal(-32_022, { supported: ['2026-07-28'] }), 400)
    })
    expect((await shake(gateway, {})).says).toEqual(['result'])
    expect((await shake(gateway, {})).says).toEqual(['result'])
    expect(gateway.upstream.told).toEqual(['initialize', 'server/discover', 'server/discover'])
  })

  test('12 UC3 a server of both eras is not bridged', async () => {
    gateway = bridged({ config: { protocol: 'auto' } })
    expect((await shake(gateway, {})).says).toEqual(['result'])
    expect(gateway.upstream.told).toEqual(['initialize'])
  })

  test('UC3 a refusal stands when the server does not speak the other era either, and is not learnt', async () => {
    gateway = bridged({ config: { protocol: 'auto' } })
    gateway.upstream.on('server/discover', (asked) => asked.error(-32_601, 'no', 404))
    gateway.upstream.once('initialize', (asked) => {
      gateway.eras.learn(gateway.upstream.id, JSON.parse(refusal(-32_022)))
      asked.text(refusal(-32_022), 400)
    })
    expect((await shake(gateway, {})).json).toEqual(JSON.parse(refusal(-32_022)))
    expect((await shake(gateway, {})).says).toEqual(['result'])
    expect(gateway.upstream.told).toEqual(['initialize', 'server/discover', 'initialize'])
  })

  test('12 UC3 what was learnt wrongly is asked for again at once', async () => {
    gateway = bridged({ config: { protocol: 'auto' } })
    gateway.eras.learn(gateway.upstream.id, JSON.parse(refusal(-32_022)))
    gateway.upstream.on('server/discover', (asked) => asked.error(-32_601, 'no', 404))
    expect((await shake(gateway, {})).says).toEqual(['result'])
    expect(gateway.upstream.told).toEqual(['server/discover', 'initialize'])
  })

  test('12 UC3 a server that answers another revision of itself now has its client start over', async () => {
    gateway = bridged()
    const session = await gateway.open()
    gateway.upstream.on('tools/call', (asked) => refuse(asked, -32_022, { supported: ['2025-11-25'] }))
    expect(await over(legacyCall(), session)).toEqual(['refused 404'])
    await expect(gateway.behind(session)).resolves.toBe('ended')
  })

  test('CL9 modern requests pass untouched', async () => {
    gateway = bridged()
    const call = modernCall('tools/call', { name: 'a' })
    await gateway.send(call).over
    expect(gateway.upstream.asked.entries[0]!.exchange.message).toBe(call)
  })

  test('SS2 a message without a session is told so, where the server has none to judge it', async () => {
    gateway = bridged()
    expect(await over(legacyCall())).toEqual(['refused 400'])
    expect(gateway.upstream.told).toEqual([])
  })

  test('13 LC4 a client starts over when the server offers less than it was told', async () => {
    gateway = bridged()
    const [one, other] = [await gateway.open(), await gateway.open({ capabilities: {} })]
    gateway.upstream.on('server/discover', (asked) =>
      asked.json({ supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }),
    )
    const late = await gateway.open()
    expect(await over(legacyCall('ping'), one)).toEqual(['refused 404'])
    expect(await over(legacyCall('ping'), late)).toEqual(['result'])
    // What another client was told may depend on what it has declared.
    expect(await over(legacyCall('ping'), other)).toEqual(['result'])
  })

  test('SS4 the end of a session is not said to a server that has none', async () => {
    gateway = bridged()
    const session = await gateway.open()
    await gateway.upstreamSessions.terminate(session.record.upstream, {
      server: 'weather',
      config: gateway.config,
      principal: undefined,
    })
    expect(gateway.upstream.told).toEqual(['server/discover'])
  })
})

async function over(message: Parameters<Bridged['send']>[0], session?: Awaited<ReturnType<Bridged['open']>>) {
  const client = gateway.send(message, session && { session })
  await client.over
  return client.says
}
