// Sessions over a store of any kind: who finds them, what goes on in them, what a broken store does.
import { Exchange } from '../../lib/exchange/exchange.ts'
import { MemorySessionStore, type GatewayError, type SessionRecord, type SessionStore } from '../../lib/index.ts'
import { Running } from '../../lib/exchange/in-flight.ts'
import { Sessions } from '../../lib/session/sessions.ts'

const record: SessionRecord = { server: 'weather', principal: 'ann', protocolVersion: '2025-11-25' }

interface Made {
  readonly sessions: Sessions
  readonly running: Running
  readonly expired: [id: string, record: SessionRecord][]
}

const made: Sessions[] = []
afterEach(async () => {
  await Promise.all(made.splice(0).map((sessions) => sessions.close().catch(() => {})))
})

function make(store: SessionStore = new MemorySessionStore()): Made {
  const expired: Made['expired'] = []
  const running = new Running()
  const sessions = new Sessions(store, running, (id, ended) => void expired.push([id, ended]))
  made.push(sessions)
  return { sessions, running, expired }
}

/** A store on a Map, as an embedder might write one: it knows nothing of the gateway. */
function plainStore(over: Partial<SessionStore> = {}): SessionStore {
  const records = new Map<string, SessionRecord>()
  return {
    create(kept) {
      const id = `plain-${records.size}`
      records.set(id, kept)
      return id
    },
    get: (id) => records.get(id),
    delete: (id) => void records.delete(id),
    ...over,
  }
}

/** An exchange that goes on in a session, or in none, and notes how it was stopped. */
function goOn(running: Running, id: string | undefined): { stops: string[]; finish(): void } {
  const stops: string[] = []
  const exchange = new Exchange({
    server: 'weather',
    config: { url: 'http://127.0.0.1' },
    principal: undefined,
    request: undefined,
    method: 'GET',
    session: id === undefined ? undefined : { id, record },
    message: undefined,
    headers: {},
    body: undefined,
  })
  exchange.onStop = ({ code }) => void stops.push(code)
  running.add(exchange)
  return { stops, finish: () => running.delete(exchange) }
}

const stores: [what: string, store: () => SessionStore][] = [
  ['in memory', () => new MemorySessionStore()],
  ['that answers at once', () => plainStore()],
  [
    'that answers later',
    () => {
      const { create, get, delete: end } = plainStore()
      return { create: async (kept) => create(kept), get: async (id) => get(id), delete: async (id) => end(id) }
    },
  ],
]

/** What find() ends in, whether at once or later. */
async function found(sessions: Sessions, ...wanted: Parameters<Sessions['find']>): Promise<unknown> {
  return sessions.find(...wanted)
}

describe.each(stores)('with a store %s', (_, store) => {
  test('SS1 HD19 an open session is found by its id', async () => {
    const { sessions } = make(store())
    const id = await sessions.open(record)
    expect(id).toMatch(/^[\x21-\x7e]+$/)
    expect(await found(sessions, id, 'weather', 'ann')).toEqual({ id, record })
  })

  test('SS2 without an id it is session_required', async () => {
    const { sessions } = make(store())
    await expect(found(sessions, undefined, 'weather', 'ann')).rejects.toMatchObject({
      code: 'session_required',
      status: 400,
    })
  })

  test('SS3 SS6 SS7 SC5 unknown, ended, foreign principal and foreign server are one and the same refusal', async () => {
    const { sessions } = make(store())
    const id = await sessions.open(record)
    const ended = await sessions.open(record)
    await sessions.end(ended)
    const refusals = await Promise.all(
      [
        found(sessions, 'unknown', 'weather', 'ann'),
        found(sessions, ended, 'weather', 'ann'),
        found(sessions, id, 'weather', 'bob'),
        found(sessions, id, 'weather', ''),
        found(sessions, id, 'mail', 'ann'),
        found(sessions, '__proto__', 'weather', 'ann'),
        found(sessions, `${id}, ${id}`, 'weather', 'ann'),
        found(sessions, '', 'weather', 'ann'),
        found(sessions, 'x'.repeat(5_000), 'weather', 'ann'),
      ].map((finding) =>
        finding.then(
          () => 'found',
          (error: GatewayError) => `${error.status} ${error.toJsonRpc(1)}`,
        ),
      ),
    )
    expect(new Set(refusals)).toEqual(
      new Set(['404 {"jsonrpc":"2.0","id":1,"error":{"code":404,"message":"Session not found"}}']),
    )
    expect(await found(sessions, id, 'weather', 'ann')).toMatchObject({ id })
  })

  test('SS12 what goes on in a session is stopped when it ends, and nothing else is', async () => {
    const { sessions, running } = make(store())
    const [ending, staying] = [await sessions.open(record), await sessions.open(record)]
    const [first, second, left] = [goOn(running, ending), goOn(running, ending), goOn(running, ending)]
    const [other, sessionless] = [goOn(running, staying), goOn(running, undefined)]
    left.finish()
    await sessions.end(ending)
    expect([first.stops, second.stops]).toEqual([['session_not_found'], ['session_not_found']])
    expect([left.stops, other.stops, sessionless.stops]).toEqual([[], [], []])
  })
})

test('SS11 a session that the store ends by itself stops what goes on in it and tells of it', async () => {
  const store = new MemorySessionStore({ maxSessions: 1 })
  const { sessions, running, expired } = make(store)
  const id = await sessions.open(record)
  const [going, sessionless] = [goOn(running, id), goOn(running, undefined)]
  await sessions.close()
  expect([going.stops, sessionless.stops]).toEqual([['session_not_found'], []])
  expect(expired).toEqual([[id, record]])
})

test('SS11 a store that can be asked in is told which sessions are in use', async () => {
  const store = new MemorySessionStore({ maxSessions: 2 })
  const { sessions, running, expired } = make(store)
  const [streaming, idle] = [await sessions.open(record), await sessions.open(record)]
  const [one, two] = [goOn(running, streaming), goOn(running, streaming)]
  goOn(running, undefined)
  one.finish()
  await sessions.open(record)
  expect(expired.map(([id]) => id)).toEqual([idle])
  two.finish()
  await sessions.open(record)
  expect(expired.map(([id]) => id)).toEqual([idle, streaming])
})

describe('a store that fails', () => {
  const failing: [how: string, fail: () => never | Promise<never>][] = [
    [
      'throws',
      () => {
        throw new Error('redis://user:secret@store is down')
      },
    ],
    ['rejects', () => Promise.reject(new Error('redis://user:secret@store is down'))],
  ]

  test.each(failing)('SC7 that %s is unavailable, and its words stay in the cause', async (_, fail) => {
    const { sessions } = make({ create: fail, get: fail, delete: fail, close: fail })
    const attempts = [
      () => sessions.open(record),
      () => found(sessions, 'id', 'weather', 'ann'),
      () => sessions.end('id'),
      () => sessions.close(),
    ]
    for (const attempt of attempts) {
      const error = await attempt().then(
        () => undefined,
        (reason: GatewayError) => reason,
      )
      expect(error).toMatchObject({ code: 'unavailable', status: 503, headers: { 'retry-after': '1' } })
      expect(error?.toJsonRpc(1)).not.toMatch(/secret/)
      expect(error?.cause).toMatchObject({ message: expect.stringContaining('secret') })
    }
  })

  test.each(['', 'with space', 'line\nend', 'é', 42, undefined, null])(
    'HD19 the id %p of a store is not handed out',
    async (id) => {
      const { sessions } = make(plainStore({ create: () => id as string }))
      await expect(sessions.open(record)).rejects.toMatchObject({
        code: 'unavailable',
        cause: new TypeError('The session store must create ids of visible ASCII characters'),
      })
    },
  )
})
