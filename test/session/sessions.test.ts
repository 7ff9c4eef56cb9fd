// Sessions over a store of any kind: who finds them, what goes on in them, what a broken store does.
import { InFlight } from '../../lib/exchange/in-flight.ts'
import { MemorySessionStore, type GatewayError, type SessionRecord, type SessionStore } from '../../lib/index.ts'
import { Sessions } from '../../lib/session/sessions.ts'
import type { UpstreamState } from '../../lib/types.ts'
import { exchangeOf, RECORD } from '../support/pipeline-exchange.ts'

interface Made {
  readonly sessions: Sessions
  readonly inFlight: InFlight
  readonly expired: [id: string, record: SessionRecord][]
}

const made: Sessions[] = []
afterEach(async () => {
  await Promise.all(made.splice(0).map((sessions) => sessions.close().catch(() => {})))
})

function make(store: SessionStore = new MemorySessionStore()): Made {
  const expired: Made['expired'] = []
  const inFlight = new InFlight()
  const sessions = new Sessions(store, inFlight, (id, ended) => void expired.push([id, ended]))
  made.push(sessions)
  return { sessions, inFlight, expired }
}

/** A store on a Map, as an embedder might write one: it knows nothing of the gateway. */
function plainStore(over: Partial<SessionStore> = {}): SessionStore {
  const records = new Map<string, SessionRecord>()
  let created = 0
  return {
    create(kept) {
      const id = `plain-${(created += 1)}`
      records.set(id, kept)
      return id
    },
    get: (id) => records.get(id),
    delete: (id) => void records.delete(id),
    ...over,
  }
}

/** An exchange that goes on in a session, or in none, and notes how it was stopped. */
function goOn(inFlight: InFlight, session: string | undefined): { stops: string[]; finish(): void } {
  const stops: string[] = []
  const exchange = exchangeOf({ session })
  exchange.life.onStop(({ code }) => void stops.push(code))
  const flight = inFlight.add(exchange)
  return { stops, finish: () => inFlight.delete(flight) }
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
    const id = await sessions.open(RECORD)
    expect(id).toMatch(/^[\x21-\x7e]+$/)
    const session = await sessions.find(id, 'weather', 'ann')
    expect([session.id, session.record]).toEqual([id, RECORD])
  })

  test('SS3 SS6 SS7 SC5 unknown, ended, foreign principal and foreign server are one and the same refusal', async () => {
    const { sessions } = make(store())
    const id = await sessions.open(RECORD)
    const ended = await sessions.open(RECORD)
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
    const { sessions, inFlight } = make(store())
    const [ending, staying] = [await sessions.open(RECORD), await sessions.open(RECORD)]
    const [first, second, left] = [goOn(inFlight, ending), goOn(inFlight, ending), goOn(inFlight, ending)]
    const [other, sessionless] = [goOn(inFlight, staying), goOn(inFlight, undefined)]
    left.finish()
    await sessions.end(ending)
    expect([first.stops, second.stops]).toEqual([['session_not_found'], ['session_not_found']])
    expect([left.stops, other.stops, sessionless.stops]).toEqual([[], [], []])
  })
})

test('SS11 a session that the store ends by itself stops what goes on in it and tells of it', async () => {
  const store = new MemorySessionStore({ maxSessions: 1 })
  const { sessions, inFlight, expired } = make(store)
  const id = await sessions.open(RECORD)
  const [going, sessionless] = [goOn(inFlight, id), goOn(inFlight, undefined)]
  await sessions.close()
  expect([going.stops, sessionless.stops]).toEqual([['session_not_found'], []])
  expect(expired).toEqual([[id, RECORD]])
})

test('SS11 a store that can be asked in is told which sessions are in use', async () => {
  const store = new MemorySessionStore({ maxSessions: 2 })
  const { sessions, inFlight, expired } = make(store)
  const [streaming, idle] = [await sessions.open(RECORD), await sessions.open(RECORD)]
  const [one, two] = [goOn(inFlight, streaming), goOn(inFlight, streaming)]
  goOn(inFlight, undefined)
  one.finish()
  await sessions.open(RECORD)
  expect(expired.map(([id]) => id)).toEqual([idle])
  two.finish()
  await sessions.open(RECORD)
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
      () => sessions.open(RECORD),
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
      await expect(sessions.open(RECORD)).rejects.toMatchObject({
        code: 'unavailable',
        cause: new TypeError('The session store must create ids of visible ASCII characters'),
      })
    },
  )
})

describe('the state that is kept of a session', () => {
  const NEXT: UpstreamState = { ...RECORD.upstream, id: 'up-2' }
  const updating = (): SessionStore => {
    const records = new Map<string, SessionRecord>()
    return {
      create: (kept) => `id-${records.set(`id-${records.size}`, kept).size - 1}`,
      get: (id) => records.get(id),
      update: (id, kept) => void (records.has(id) && records.set(id, kept)),
      delete: (id) => void records.delete(id),
    }
  }

  test.each([
    ['update()', updating],
    ['no update()', plainStore],
  ])('SS8 is as it was left for whoever finds the session, in a store with %s', async (_, store) => {
    const { sessions } = make(store())
    const [id, other] = [await sessions.open(RECORD), await sessions.open(RECORD)]
    const session = await sessions.find(id, 'weather', 'ann')
    await session.keep(() => NEXT)
    expect(session.record).toEqual({ ...RECORD, upstream: NEXT })
    expect((await sessions.find(id, 'weather', 'ann')).record).toEqual({ ...RECORD, upstream: NEXT })
    expect((await sessions.find(other, 'weather', 'ann')).record).toEqual(RECORD)
  })

  test('SS8 is the same at every node where the store has update(), and else at the node alone that changed it', async () => {
    for (const [store, seen] of [
      [updating(), NEXT],
      [plainStore(), RECORD.upstream],
    ] as const) {
      const [here, there] = [make(store).sessions, make(store).sessions]
      const id = await here.open(RECORD)
      await (await here.find(id, 'weather', 'ann')).keep(() => NEXT)
      expect((await there.find(id, 'weather', 'ann')).record.upstream).toEqual(seen)
    }
  })

  test('SS8 changes one change at a time, each of which sees what the last one left', async () => {
    const { get, update, ...rest } = updating()
    const late = async <T>(answer: () => T | Promise<T>): Promise<T> => {
      await new Promise(setImmediate)
      return answer()
    }
    const { sessions } = make({
      ...rest,
      get: (id) => late(() => get(id)),
      update: (id, kept) => late(() => update!(id, kept)),
    })
    const id = await sessions.open(RECORD)
    const finders = await Promise.all(Array.from({ length: 10 }, async () => sessions.find(id, 'weather', 'ann')))
    const add = (state: UpstreamState): UpstreamState => ({ ...state, id: `${state.id}+` })
    await Promise.all(finders.map((session) => session.keep(add)))
    expect((await sessions.find(id, 'weather', 'ann')).record.upstream.id).toBe('up-1++++++++++')
  })

  test('SS8 changes by what the last change left also where the store cannot change it', async () => {
    const { sessions } = make(plainStore())
    const session = await sessions.find(await sessions.open(RECORD), 'weather', 'ann')
    for (let time = 0; time < 2; time += 1) await session.keep((state) => ({ ...state, id: `${state.id}+` }))
    expect(session.record.upstream.id).toBe('up-1++')
  })

  test('SS8 is not written when it stays the same: to look at it is no change', async () => {
    const { jest } = import.meta
    const store = updating()
    const update = jest.spyOn(store as Required<SessionStore>, 'update')
    const { sessions } = make(store)
    const session = await sessions.find(await sessions.open(RECORD), 'weather', 'ann')
    await session.keep((state) => state)
    expect(update).not.toHaveBeenCalled()
    await session.keep((state) => ({ ...state }))
    expect(update).toHaveBeenCalledTimes(1)
  })

  test.each([
    ['update()', updating],
    ['no update()', plainStore],
  ])('SS12 does not come back when the session ended meanwhile, in a store with %s', async (_, store) => {
    const { sessions } = make(store())
    const id = await sessions.open(RECORD)
    const session = await sessions.find(id, 'weather', 'ann')
    await sessions.end(id)
    await session.keep(() => NEXT)
    expect(session.record).toEqual(RECORD)
    await expect(found(sessions, id, 'weather', 'ann')).rejects.toMatchObject({ code: 'session_not_found' })
  })

  test('SC6 is kept for a thousand open sessions where the store cannot; past that the oldest is forgotten', async () => {
    const { sessions } = make(plainStore())
    const ids: string[] = []
    const idsBehind = async (): Promise<unknown[]> => {
      const all = await Promise.all(ids.map(async (id) => sessions.find(id, 'weather', 'ann')))
      return all.map(({ record }) => record.upstream.id)
    }
    async function openAndChange(count: number): Promise<void> {
      for (let left = count; left > 0; left -= 1) {
        const id = await sessions.open(RECORD)
        ids.push(id)
        await (await sessions.find(id, 'weather', 'ann')).keep(() => NEXT)
      }
    }
    const changed = (count: number): string[] => Array.from({ length: count }, () => 'up-2')
    await openAndChange(1_000)
    await sessions.end(ids.pop()!)
    await openAndChange(1)
    expect(await idsBehind()).toEqual(changed(1_000))
    await openAndChange(1)
    expect(await idsBehind()).toEqual(['up-1', ...changed(1_000)])
  })

  test.each(['get', 'update'] as const)(
    'SC7 is not kept by a store whose %s() fails, which is unavailable',
    async (method) => {
      const store = updating()
      const { sessions } = make(store)
      const session = await sessions.find(await sessions.open(RECORD), 'weather', 'ann')
      Object.assign(store, { [method]: () => Promise.reject(new Error('down')) })
      await expect(session.keep(() => NEXT)).rejects.toMatchObject({ code: 'unavailable' })
      expect(session.record).toEqual(RECORD)
    },
  )

  test('SS8 can be changed again when a change before it has failed', async () => {
    const { sessions } = make(updating())
    const session = await sessions.find(await sessions.open(RECORD), 'weather', 'ann')
    const fail = (): never => {
      throw new Error('no')
    }
    const [failed] = await Promise.allSettled([session.keep(fail), session.keep(() => NEXT)])
    expect([failed.status, session.record.upstream]).toEqual(['rejected', NEXT])
  })
})

describe('a principal with a long id', () => {
  const long = 'p'.repeat(4_000)

  test('SS5 is kept as a digest, which stands for this id alone', async () => {
    const kept: SessionRecord[] = []
    const store = plainStore()
    const { sessions } = make({ ...store, create: (record) => (kept.push(record), store.create(record)) })
    const id = await sessions.open({ ...RECORD, principal: long })
    const [{ principal }] = kept as [SessionRecord]
    expect(principal).toMatch(/^sha256:[\w-]{43}$/)
    expect((await sessions.find(id, RECORD.server, long)).id).toBe(id)
    // Nor for one who is called like the digest.
    for (const other of [`${long.slice(1)}q`, principal, '']) {
      expect(() => sessions.find(id, RECORD.server, other)).toThrow('Session not found')
    }
  })

  test('SS5 whom 0.1 kept as they are called finds the session again', async () => {
    const store = plainStore()
    const { sessions } = make(store)
    const id = await store.create({ ...RECORD, principal: long })
    expect((await sessions.find(id, RECORD.server, long)).id).toBe(id)
  })
})

test('ER9 what a store can never keep is internal: a client that came again would be refused again', async () => {
  const { sessions } = make(plainStore({ create: () => Promise.reject(new RangeError('too long')) }))
  await expect(sessions.open(RECORD)).rejects.toMatchObject({ code: 'internal', cause: { message: 'too long' } })
})

test.each<[string, unknown]>([
  ['a text', JSON.stringify(RECORD)],
  ['bytes', Buffer.from(JSON.stringify(RECORD))],
  ['true', true],
  ['an object without members', {}],
  ['an array', [RECORD]],
])(
  'ER9 a store that answers %s is unavailable, wherever it is asked, and no session is said to be gone',
  async (_, answer) => {
    const { sessions } = make(plainStore({ get: () => answer as never }))
    const fault = { code: 'unavailable', cause: { message: expect.stringMatching(/"get" of the session store/) } }
    const ask = [() => sessions.find('plain-0', RECORD.server, RECORD.principal), () => sessions.get('plain-0')]
    for (const each of ask) await expect((async () => each())()).rejects.toMatchObject(fault)
  },
)
