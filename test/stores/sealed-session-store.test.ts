// Sessions whose id is the record: what opens, what does not, and what this node remembers.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import fc from 'fast-check'
import { SealedSessionStore, type SealedSessionStoreOptions, type SessionRecord } from '../../lib/index.ts'
import { sessionStoreContract } from '../../lib/testing.ts'
import type { UpstreamState } from '../../lib/types.ts'
import { startGateway } from '../support/gateway.ts'
import { initialize } from '../support/rpc.ts'
import { startUpstream } from '../support/upstream.ts'

const { jest } = import.meta
const ROOT = join(import.meta.dirname, '../..')
const HOUR = 60 * 60_000
const [OLD, NEW, FOREIGN] = ['old', 'new', 'foreign'].map((name) => `${name} secret of 32 characters at least`) as [
  string,
  string,
  string,
]
const RECORD: SessionRecord = {
  server: 'weather',
  principal: 'https://login.example.com user-1',
  protocolVersion: '2025-11-25',
  upstream: { upstream: 'Zp1hX0sQbYkq3mT7vNw2Rc', protocolVersion: '2025-11-25', id: 'upstream-1' },
}
/** The same with these parts in the field upstream. */
const withUpstream = (parts: Partial<UpstreamState>): SessionRecord => ({
  ...RECORD,
  upstream: { ...RECORD.upstream, ...parts },
})

const open = (options: Partial<SealedSessionStoreOptions> = {}): SealedSessionStore =>
  new SealedSessionStore({ keys: [OLD], ...options })

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  expect(jest.getTimerCount()).toBe(0)
  jest.useRealTimers()
})

describe('keeps the contract', () => {
  const contract = sessionStoreContract({
    create: () => open({ ttlMs: HOUR }),
    ttlMs: HOUR,
    lifetimeMs: HOUR,
    wait: (ms) => {
      jest.advanceTimersByTime(ms)
    },
  })
  for (const { id, name, fn } of contract) {
    if (id === 'expiry-use')
      test(`${id} is what it cannot keep: an id cannot change`, () => expect(fn()).rejects.toThrow(/./))
    else test(`SS1 ${id}: ${name}`, fn)
  }
})

describe('an id', () => {
  test('SS1 HD19 is visible ASCII and shorter than 1 KiB, with names of 200 characters', () => {
    for (const letter of ['x', 'é']) {
      const long = letter.repeat(letter === 'x' ? 200 : 100)
      const id = open().create({ ...withUpstream({ id: 'u'.repeat(200) }), principal: long })
      expect(id).toMatch(/^[\x21-\x7e]+$/)
      expect(id.length).toBeLessThan(1024)
    }
    expect(open().create(RECORD).length).toBeLessThan(384)
  })

  test('SC7 says nothing to who has no key', () => {
    const id = open().create(RECORD)
    const bytes = Buffer.from(id, 'base64url').toString('latin1')
    const { upstream, ...rest } = RECORD
    for (const secret of [...Object.values(rest), ...Object.keys(RECORD), ...(Object.values(upstream) as string[])]) {
      expect(id).not.toContain(secret)
      expect(bytes).not.toContain(secret)
    }
  })

  test('SS1 of a record is another each time', () => {
    const store = open()
    expect(new Set(Array.from({ length: 100 }, () => store.create(RECORD))).size).toBe(100)
  })

  test('SS8 holds all that it takes to open the session behind anew, on any node; but it cannot change', () => {
    const handshake = {
      protocolVersion: '2025-11-25',
      capabilities: { roots: {} },
      clientInfo: { name: 'x'.repeat(500) },
    }
    const record = withUpstream({ client: { handshake, subscriptions: { 'x://a': { uri: 'x://a' } } } })
    const id = open().create(record)
    expect(open().get(id)).toEqual(record)
    expect(open()).not.toHaveProperty('update')
  })

  test('that no gateway would look up is not handed out', () => {
    const store = open()
    expect(() => store.create({ ...RECORD, principal: 'p'.repeat(3_100) })).toThrow(RangeError)
    expect(store.create({ ...RECORD, principal: 'p'.repeat(2_800) }).length).toBeLessThanOrEqual(4096)
  })

  test.each<[string, SessionRecord]>([
    ["the principal's id", { ...RECORD, principal: 'p'.repeat(4_000) }],
    ["the server's own session id", withUpstream({ id: 'u'.repeat(4_000) })],
    ['what "recover" keeps of the handshake', withUpstream({ client: { handshake: { title: 'x'.repeat(4_000) } } })],
    [
      "what is kept of an aggregate's members",
      withUpstream({ members: { crm: withUpstream({ id: 'u'.repeat(4_000) }).upstream } }),
    ],
  ])('that would be too long for %s says so, and by how much', (part, record) => {
    const message = new RegExp(
      `^A session id of \\d{4} characters is too long to be sent: ${part} alone takes 4\\d\\d\\d$`,
    )
    expect(() => open().create(record)).toThrow(message)
  })

  test('ER9 SS4 that would be too long is 500, since it always will be; onError hears why, and the upstream that its session is not wanted', async () => {
    jest.useRealTimers()
    const upstream = await startUpstream()
    const gateway = await startGateway({
      servers: { weather: { url: upstream.url } },
      sessions: open(),
    })
    const id = 'u'.repeat(4_000)
    upstream.on('initialize', (exchange) =>
      exchange.result(
        { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'u' } },
        { 'mcp-session-id': id },
      ),
    )
    try {
      await expect(initialize(gateway.url('weather'))).rejects.toThrow(/^initialize: 500 /)
      expect(gateway.reported.entries.map(({ error }) => error.cause)).toEqual([expect.any(RangeError)])
      const farewell = await upstream.nextRequest('DELETE')
      expect(farewell.headers['mcp-session-id']).toBe(id)
    } finally {
      await gateway.close()
      await upstream.close()
      jest.useFakeTimers()
    }
  })
})

describe('is opened', () => {
  test('by any store with the same key, given as text or as bytes', () => {
    const id = open().create(RECORD)
    for (const key of [OLD, Buffer.from(OLD), new Uint8Array(Buffer.from(OLD))]) {
      expect(open({ keys: [key] }).get(id)).toEqual(RECORD)
    }
  })

  test('in another process', () => {
    const program = `
      import { SealedSessionStore } from 'express-mcp-gateway'
      const store = new SealedSessionStore({ keys: [process.argv[1]] })
      console.log(JSON.stringify([store.get(process.argv[2]), store.create({ ...store.get(process.argv[2]), server: 'b' })]))`
    const [record, id] = JSON.parse(run(program, [OLD, open().create(RECORD)])) as [SessionRecord, string]
    expect(record).toEqual(RECORD)
    expect(open().get(id)).toEqual({ ...RECORD, server: 'b' })
  })

  test('by any key of the list; the first one seals', () => {
    const before = open({ keys: [OLD] })
    const during = open({ keys: [NEW, OLD] })
    const after = open({ keys: [NEW] })
    const [old, fresh] = [before.create(RECORD), during.create(RECORD)]
    expect(during.get(old)).toEqual(RECORD)
    expect(during.get(fresh)).toEqual(RECORD)
    expect(after.get(fresh)).toEqual(RECORD)
    expect(before.get(fresh)).toBeUndefined()
    expect(after.get(old)).toBeUndefined()
  })

  test('by a node that does not seal with the new key yet, when it came last first', () => {
    const behind = open({ keys: [OLD, NEW] })
    expect(behind.get(open({ keys: [NEW, OLD] }).create(RECORD))).toEqual(RECORD)
    expect(open({ keys: [OLD] }).get(behind.create(RECORD))).toEqual(RECORD)
  })
})

describe('is not opened', () => {
  /** A store that has never seen the id, so that nothing is answered from memory, and one that has. */
  function expectNothing(id: string, sealed: string): void {
    const seen = open()
    seen.get(sealed)
    for (const store of [open(), open({ keys: [NEW, OLD] }), seen]) {
      expect(store.get(id)).toBeUndefined()
      expect(store.delete(id)).toBeUndefined()
      expect(store.get(sealed)).toEqual(RECORD)
    }
  }

  test('SS3 SC5 with another byte anywhere', () => {
    const id = open().create(RECORD)
    const sealed = Buffer.from(id, 'base64url')
    for (let at = 0; at < sealed.length; at += 1) {
      for (const bit of [1, 0x80]) {
        const tampered = Buffer.from(sealed)
        tampered[at]! ^= bit
        expectNothing(tampered.toString('base64url'), id)
      }
    }
  })

  test('SS3 cut anywhere, from either end', () => {
    const id = open().create(RECORD)
    for (let length = 0; length < id.length; length += 1) {
      expectNothing(id.slice(0, length), id)
      expectNothing(id.slice(-length - 1).slice(1), id)
    }
  })

  test('SS3 with anything added', () => {
    const id = open().create(RECORD)
    const more = ['A', 'AAAA', '=', '==', ' ', '\n', '.', '%00', id]
    for (const each of more) {
      expectNothing(id + each, id)
      expectNothing(each + id, id)
    }
  })

  test('SS3 in another spelling of the same bytes', () => {
    let spellings = 0
    for (let length = 0; length < 40; length += 1) {
      const id = open().create({ ...RECORD, principal: 'p'.repeat(length) })
      const same = Buffer.from(id, 'base64url')
      const base64 = same.toString('base64')
      const last = Array.from(
        'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
        (letter) => id.slice(0, -1) + letter,
      )
      for (const other of [base64, base64.replaceAll('=', ''), `${id}=`, `${id}==`, ...last]) {
        if (other === id || !Buffer.from(other, 'base64url').equals(same)) continue
        spellings += 1
        expect(open().get(other)).toBeUndefined()
      }
    }
    expect(spellings).toBeGreaterThan(100)
  })

  test('SS3 sealed with a key that is not in the list', () => {
    const id = open({ keys: [FOREIGN] }).create(RECORD)
    expectNothing(id, open().create(RECORD))
    // It names the key that it was not sealed with.
    const [theirs, ours] = [id, open().create(RECORD)].map((each) => Buffer.from(each, 'base64url'))
    expectNothing(
      Buffer.concat([ours!.subarray(0, 4), theirs!.subarray(4)]).toString('base64url'),
      ours!.toString('base64url'),
    )
  })

  test('SS3 SC5 put together from two that are', () => {
    const store = open()
    const [one, other] = [
      store.create(RECORD),
      store.create({ ...RECORD, principal: 'https://login.example.com user-2' }),
    ]
    const halves = [one, other].map((id) => Buffer.from(id, 'base64url')) as [Buffer, Buffer]
    for (let at = 1; at < halves[0].length; at += 1) {
      const mixed = Buffer.concat([halves[0].subarray(0, at), halves[1].subarray(at)]).toString('base64url')
      if (mixed !== one && mixed !== other) expectNothing(mixed, one)
    }
  })

  test('SS3 whatever it may be: nothing is thrown', () => {
    const store = open()
    const id = store.create(RECORD)
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
      // Right up to here.
      fc.tuple(fc.nat(id.length), fc.base64String()).map(([at, rest]) => id.slice(0, at) + rest),
    )
    fc.assert(
      fc.property(text, (other) => {
        fc.pre(other !== id)
        expect(store.get(other)).toBeUndefined()
        expect(store.delete(other)).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
    expect(store.get(id)).toEqual(RECORD)
  })

  test('SS3 empty, or as long as headers can be and longer', () => {
    const store = open()
    const id = store.create(RECORD)
    for (const other of ['', 'A', 'A'.repeat(43), 'A'.repeat(1_000_000), id.repeat(10_000)]) {
      expect(store.get(other)).toBeUndefined()
      expect(store.delete(other)).toBeUndefined()
    }
  })
})

test('any record comes back as it was', () => {
  const text = fc.string({ unit: 'binary', maxLength: 100 })
  const parts = {
    upstream: text,
    protocolVersion: text,
    id: text,
    client: fc.record({ handshake: fc.dictionary(text, text) }),
  }
  const state = fc.record(parts, { requiredKeys: ['upstream', 'protocolVersion'] })
  const upstream = fc.oneof(
    state,
    fc.tuple(state, fc.dictionary(text, state)).map(([own, members]) => Object.assign(own, { members })),
  )
  const records = fc.record({
    server: text,
    principal: text,
    protocolVersion: text,
    upstream,
  }) as fc.Arbitrary<SessionRecord>
  fc.assert(
    fc.property(records, (record) => {
      const isShort = JSON.stringify(record).length < 2_500 && Buffer.byteLength(JSON.stringify(record)) < 2_500
      fc.pre(isShort)
      const id = open().create(record)
      expect(open().get(id)).toEqual(JSON.parse(JSON.stringify(record)))
      expect(id).toMatch(/^[\w-]+$/)
    }),
  )
})

describe('expiry', () => {
  test('SS3 is inside: any node knows it, whatever its own ttlMs', () => {
    const id = open({ ttlMs: HOUR }).create(RECORD)
    const nodes = [open({ ttlMs: 1 }), open({ ttlMs: 10 * HOUR })]
    jest.advanceTimersByTime(HOUR - 1)
    for (const node of nodes) expect(node.get(id)).toEqual(RECORD)
    jest.advanceTimersByTime(1)
    for (const node of [...nodes, open()]) expect(node.get(id)).toBeUndefined()
  })

  test('SS3 is 24 hours after the beginning by default, used or not', () => {
    const store = open()
    const id = store.create(RECORD)
    for (let hour = 0; hour < 24; hour += 1) {
      expect(store.get(id)).toEqual(RECORD)
      jest.advanceTimersByTime(HOUR)
    }
    expect(store.get(id)).toBeUndefined()
  })
})

describe('delete()', () => {
  test('SS4 SS12 holds on this node for as long as the id would have lived, through close() too, and on no other', () => {
    const [here, there] = [open({ ttlMs: HOUR }), open({ ttlMs: HOUR })]
    const [known, unknown, other] = [here.create(RECORD), there.create(RECORD), here.create(RECORD)]
    here.get(known)
    for (const id of [known, unknown]) here.delete(id)
    here.close()
    for (let minute = 0; minute < 60; minute += 1) {
      for (const id of [known, unknown]) expect([here.get(id), there.get(id)]).toEqual([undefined, RECORD])
      expect(here.get(other)).toEqual(RECORD)
      jest.advanceTimersByTime(HOUR / 60)
    }
    for (const id of [known, unknown]) expect([here.get(id), there.get(id)]).toEqual([undefined, undefined])
  })

  test('holds while others come and go', () => {
    const store = open({ ttlMs: HOUR })
    const first = store.create(RECORD)
    jest.advanceTimersByTime(HOUR / 2)
    store.delete(store.create(RECORD))
    store.delete(first)
    jest.advanceTimersByTime(HOUR / 4)
    store.delete(store.create(RECORD))
    expect(store.get(first)).toBeUndefined()
  })
})

test('what a node remembers is bounded, and what it need not remember is freed', () => {
  const program = `
    import { SealedSessionStore } from 'express-mcp-gateway'
    let now = 1e12
    Date.now = () => now
    const MiB = 2 ** 20
    const held = () => { gc(); return process.memoryUsage().heapUsed / MiB }
    const store = new SealedSessionStore({ keys: ['x'.repeat(32)], ttlMs: 1000 })
    const make = () => store.create({ server: 'a', principal: 'p'.repeat(1500), protocolVersion: '1', upstream: {} })
    const use = (count) => { for (let n = 0; n < count; n += 1) store.get(make()) }
    const end = (count) => { for (let n = 0; n < count; n += 1) store.delete(make()) }
    use(100); end(100)
    const before = held()
    use(10_000); const opened = held() - before
    use(20_000); const openedMore = held() - before
    store.close(); const closed = held() - before
    end(10_000); const deleted = held() - before
    now += 1000; end(1); const expired = held() - before
    const first = make(), second = store.create({ server: 'a', principal: '', protocolVersion: '1', upstream: {} })
    store.delete(first); store.delete(second)
    const early = store.get(first)
    for (let n = 0; n < 99_997; n += 1) store.delete(store.create({ server: 'a', principal: '', protocolVersion: '1', upstream: {} }))
    const full = [store.get(first), store.get(second)].map((record) => record?.server)
    store.delete(store.create({ server: 'a', principal: '', protocolVersion: '1', upstream: {} }))
    const over = [store.get(first), store.get(second)].map((record) => record?.server)
    console.log(JSON.stringify({ opened, openedMore, closed, deleted, expired, early: early === undefined, full, over }))`
  const said = JSON.parse(run(program, [], ['--expose-gc'])) as Record<string, number> & {
    full: unknown
    over: unknown
  }
  expect(said['opened']).toBeGreaterThan(20)
  expect(said['openedMore']! - said['opened']!).toBeLessThan(5)
  expect(said['closed']).toBeLessThan(5)
  expect(said['deleted']).toBeGreaterThan(1)
  expect(said['deleted']).toBeLessThan(10)
  expect(said['expired']).toBeLessThan(5)
  // Past 100 000 who has deleted most has the first of their own forgotten: the price of a bound, and who pays it.
  expect(said).toMatchObject({ early: true, full: [null, null], over: [null, 'a'] })
})

/** Runs a program on the package as it is built, and answers what it printed. */
function run(program: string, args: string[] = [], flags: string[] = []): string {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...flags, '--input-type=module', '-e', program, '--', ...args],
    { cwd: ROOT, encoding: 'utf8' },
  )
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  return stdout
}

describe('misuse is a TypeError that says the cure', () => {
  const short = /"keys" of SealedSessionStore must be secrets of 32 bytes or characters at least/
  const list = /"keys" of SealedSessionStore must be an array of secrets; the first one seals/
  const time = /"ttlMs" of SealedSessionStore must be a positive number, not /

  test.each<[unknown, RegExp]>([
    [undefined, list],
    [{}, list],
    [{ keys: [] }, list],
    [{ keys: OLD }, list],
    [{ keys: randomBytes(32) }, list],
    [{ keys: ['x'.repeat(31)] }, short],
    [{ keys: [OLD, ''] }, short],
    [{ keys: [randomBytes(31)] }, short],
    [{ keys: [undefined] }, short],
    [{ keys: [OLD], ttlMs: 0 }, time],
    [{ keys: [OLD], ttlMs: Number.NaN }, time],
    [{ keys: [OLD], ttlMs: '60000' }, time],
  ])('%j', (options, message) => {
    const make = (): unknown => new SealedSessionStore(options as never)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(message)
  })

  test('a secret is not repeated in what is said', () => {
    expect(() => open({ keys: ['my short secret'] })).not.toThrow('my short secret')
  })

  test('32 characters of any script are enough', () => {
    for (const key of ['x'.repeat(32), 'é'.repeat(16), randomBytes(32)]) {
      expect(open({ keys: [key] }).create(RECORD)).toMatch(/./)
    }
  })
})
