// The layer that opens sessions, alone: what it keeps, what it gives back, and whom it tells of a session nobody wants.
import { GatewayError } from '../../lib/errors.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { MemorySessionStore } from '../../lib/stores/memory-session-store.ts'
import { type SessionRecord } from '../../lib/types.ts'
import { type Fixture, fixture, handshake, legacyCall, modernCall, settled } from '../support/fixture.ts'
import type { MemoryStream } from '../support/memory-upstream.ts'

let gateway: Fixture

function start(options: Parameters<typeof fixture>[0] = {}): void {
  gateway = fixture({ layers: ['open'], ...options })
}

beforeEach(() => start())
afterEach(() => gateway.close())

const accepted: Promise<Reply> = Promise.resolve({ kind: 'empty', status: 202, headers: {} })

describe('a handshake that the server agreed to', () => {
  test('SS1 SS2 gives the client a session that stands for the one behind', async () => {
    const client = gateway.send(handshake())
    await client.over
    expect(client.says).toEqual(['result'])
    expect(client.sessionId).not.toBe('s1')
    const { record } = await gateway.find(client.sessionId!)
    expect(record).toEqual({
      server: 'weather',
      principal: '',
      protocolVersion: '2025-11-25',
      upstream: { upstream: 'memory:weather', protocolVersion: '2025-11-25', id: 's1' },
    })
  })

  test('SC5 binds the session to the principal', async () => {
    start({ principal: { id: 'ada' } })
    const client = gateway.send(handshake())
    await client.over
    await expect(gateway.find(client.sessionId!)).resolves.toMatchObject({ record: { principal: 'ada' } })
    expect(() => gateway.sessions.find(client.sessionId!, 'weather', 'bob')).toThrow('Session not found')
  })

  test('SS8 is kept with what it takes to open it anew, as the server got it', async () => {
    start({ config: { recover: true } })
    const client = gateway.send(handshake({ protocolVersion: '2025-11-25', capabilities: { roots: {} } }))
    await client.over
    const { record } = await gateway.find(client.sessionId!)
    expect(record.upstream.client).toEqual({
      handshake: { protocolVersion: '2025-11-25', capabilities: { roots: {} } },
    })
  })

  test('is kept without what it takes to open it anew where the store cannot keep that, and onError hears of it', async () => {
    class Small extends MemorySessionStore {
      override create(record: SessionRecord): string {
        if (record.upstream.client) throw new RangeError('too long')
        return super.create(record)
      }
    }
    start({ config: { recover: true }, store: new Small() })
    const client = gateway.send(handshake())
    await client.over
    const { record } = await gateway.find(client.sessionId!)
    expect(record.upstream).toEqual({ upstream: 'memory:weather', protocolVersion: '2025-11-25', id: 's1' })
    expect(gateway.reported.entries).toMatchObject([{ code: 'internal', cause: { message: 'too long' } }])
    expect(gateway.upstream.told).toEqual(['initialize'])
  })

  test('UC5 is ended at the server where the store does not keep it, and the client gets a 503', async () => {
    class Broken extends MemorySessionStore {
      override create(): string {
        throw new Error('full')
      }
    }
    start({ store: new Broken() })
    const client = gateway.send(handshake())
    await client.over
    await settled()
    expect(client.refused).toMatchObject({ code: 'unavailable' })
    expect(gateway.upstream.told).toEqual(['initialize', 'DELETE in s1'])
  })

  test('lets go of its stream where the store does not keep it', async () => {
    class Broken extends MemorySessionStore {
      override create(): string {
        throw new Error('full')
      }
    }
    start({ store: new Broken() })
    const begun = new Promise<MemoryStream>((resolve) => {
      gateway.upstream.on('initialize', (asked) => {
        // A server may leave its stream open behind the response.
        asked.events().say({ id: 7, result: { protocolVersion: '2025-11-25' } })
        resolve(asked.events())
      })
    })
    const client = gateway.send(handshake())
    await client.over
    await expect((await begun).over).resolves.toBe('let go')
  })

  test('UC5 is ended here and at the server when its client has left meanwhile', async () => {
    let id: string | undefined
    class Noting extends MemorySessionStore {
      override create(record: SessionRecord): string {
        id = super.create(record)
        return id
      }
    }
    start({ store: new Noting() })
    const client = gateway.send(handshake())
    client.leave()
    await settled()
    expect(gateway.upstream.told).toEqual(['initialize', 'DELETE in s1'])
    await expect(gateway.find(id!)).rejects.toMatchObject({ code: 'session_not_found' })
  })

  test('SS11 is ended at the server when the store ends it by itself', async () => {
    start({ store: new MemorySessionStore({ maxSessions: 1 }) })
    const first = gateway.send(handshake())
    await first.over
    await gateway.send(handshake()).over
    await settled()
    expect(gateway.upstream.told).toEqual(['initialize', 'initialize', 'DELETE in s1'])
  })
})

describe('a handshake that opened nothing', () => {
  test('goes to the client as the server answered it, without a session', async () => {
    gateway.upstream.on('initialize', (asked) => asked.error(-32_602, 'no'))
    const client = gateway.send(handshake())
    await client.over
    expect([client.says, client.sessionId]).toEqual([['error -32602'], undefined])
    expect(gateway.upstream.told).toEqual(['initialize'])
  })

  test('LC6 that is stopped is refused, and the server is told nothing', async () => {
    gateway.upstream.on('initialize', () => {})
    const client = gateway.send(handshake())
    const asked = await gateway.upstream.asked.next()
    gateway.stopAll()
    await client.over
    await expect(asked.stopped).resolves.toMatchObject({ code: 'closing' })
    expect(client.refused).toMatchObject({ code: 'closing' })
    expect(gateway.upstream.told).toEqual(['initialize'])
  })

  test('that fails fails as it is, and no session is made of it', async () => {
    const error = new GatewayError('upstream_broken', 'broken')
    const next = (): Promise<Reply> => Promise.reject(error)
    await expect(gateway.layers.open.handle(gateway.exchange(handshake()), next)).rejects.toBe(error)
  })
})

test('whatever opens nothing goes on untouched', async () => {
  const session = await gateway.session()
  const exchanges = [
    gateway.exchange(legacyCall(), { session }),
    gateway.exchange(undefined, { session }),
    gateway.exchange(modernCall()),
    // A handshake in a live session is for the server to refuse.
    gateway.exchange(handshake(), { session }),
  ]
  for (const exchange of exchanges) {
    const next = (sent: unknown): Promise<Reply> =>
      sent === exchange ? accepted : Promise.reject(new Error('another'))
    expect(gateway.layers.open.handle(exchange, next)).toBe(accepted)
  }
})
