// The contract suite itself: it passes a store that keeps the contract and fails one that does not, by the right test.
import { randomUUID } from 'node:crypto'
import { AssertionError } from 'node:assert'
import type { SessionRecord, SessionStore } from '../lib/index.ts'
import { sessionStoreContract, type SessionStoreFactory } from '../lib/testing.ts'

/** Ids are part of the promise: a store's own suite may skip by them. */
const IDS = [
  'create-get',
  'id-ascii',
  'id-unguessable',
  'id-unique',
  'get-unknown',
  'get-again',
  'get-independent',
  'record-optional',
  'record-text',
  'record-large',
  'record-whole',
  'record-json',
  'get-foreign',
  'delete',
  'delete-unknown',
  'update',
  'update-deleted',
  'concurrent',
  'close-twice',
]

/** Those of a factory that says when its sessions expire. */
const EXPIRY_IDS = ['expiry', 'expiry-use']
const TTL_MS = 60_000

/** Those of a factory that says what else bounds its sessions. */
const BOUND_IDS = ['lifetime', 'cap', 'cap-oldest', 'cap-deleted', 'cap-nobody']
const LIFETIME_MS = 5 * TTL_MS
const MOST = 3

/** The shortest store that keeps the contract. */
class GoodStore implements SessionStore {
  protected readonly records = new Map<string, SessionRecord>()
  closed = 0

  create(record: SessionRecord): string | Promise<string> {
    const id = randomUUID()
    this.records.set(id, record)
    return id
  }
  get(id: string): SessionRecord | undefined | Promise<SessionRecord | undefined> {
    return this.records.get(id)
  }
  update(id: string, record: SessionRecord): void {
    if (this.records.has(id)) this.records.set(id, record)
  }
  delete(id: string): void {
    this.records.delete(id)
  }
  close(): void {
    this.closed += 1
  }
}

class LaterStore extends GoodStore {
  override async create(record: SessionRecord): Promise<string> {
    await new Promise(setImmediate)
    return super.create(record)
  }
  override async get(id: string): Promise<SessionRecord | undefined> {
    await new Promise(setImmediate)
    return super.get(id)
  }
}

/** Expires idle sessions, on a clock of the test's own. */
class ExpiringStore extends GoodStore {
  readonly #usedAt = new Map<string, number>()

  override create(record: SessionRecord): string {
    const id = super.create(record) as string
    this.#usedAt.set(id, now)
    return id
  }
  override get(id: string): SessionRecord | undefined {
    if (this.isOver(now - (this.#usedAt.get(id) ?? now))) this.records.delete(id)
    else if (this.slides) this.#usedAt.set(id, now)
    return this.records.get(id)
  }
  protected readonly slides: boolean = true
  protected isOver(idleMs: number): boolean {
    return idleMs >= TTL_MS
  }
}

/** Ends sessions however much they are used, and those that a principal has too many of. */
class BoundedStore extends ExpiringStore {
  readonly #openedAt = new Map<string, number>()
  protected readonly used: string[] = []

  override create(record: SessionRecord): string {
    if (this.isOwned(record)) {
      const owned = this.used.filter((id) => this.owns(id, record))
      if (owned.length >= MOST) this.delete(this.pick(owned))
    }
    const id = super.create(record)
    this.#openedAt.set(id, now)
    this.used.push(id)
    return id
  }
  override get(id: string): SessionRecord | undefined {
    if (now - (this.#openedAt.get(id) ?? now) >= this.lifetimeMs) this.delete(id)
    const record = super.get(id)
    if (record) this.used.push(...this.used.splice(this.used.indexOf(id), 1))
    return record
  }
  protected readonly lifetimeMs: number = LIFETIME_MS
  protected isOwned({ principal }: SessionRecord): boolean {
    return principal !== ''
  }
  protected owns(id: string, { principal }: SessionRecord): boolean {
    return this.records.get(id)?.principal === principal
  }
  protected pick(owned: string[]): string {
    return owned[0]!
  }
}

let now = 0
const bounds = { lifetimeMs: LIFETIME_MS, maxSessionsPerPrincipal: MOST }
const expiring = { ttlMs: TTL_MS, wait: (ms: number) => void (now += ms) }

/** What is required and nothing more. */
function bareStore(): SessionStore {
  const store = new GoodStore()
  return { create: (record) => store.create(record), get: (id) => store.get(id), delete: (id) => store.delete(id) }
}

/** The ids of the tests that a store fails. */
async function failures(
  create: () => SessionStore | Promise<SessionStore>,
  expiry: Omit<SessionStoreFactory, 'create'> = {},
): Promise<string[]> {
  const failed: string[] = []
  for (const { id, fn } of sessionStoreContract({ create, ...expiry })) {
    await fn().catch(() => failed.push(id))
  }
  return failed
}

test('the tests have stable ids and names that say MUST or SHOULD', () => {
  const contract = sessionStoreContract({ create: () => new GoodStore() })
  expect(contract.map(({ id }) => id)).toEqual(IDS)
  for (const { name } of contract) expect(name).toMatch(/^(?:MUST|SHOULD)(?: NOT)? \S/)
})

test('a factory that says when sessions expire has that tested, after all the rest', async () => {
  const contract = sessionStoreContract({ create: () => new ExpiringStore(), ...expiring })
  expect(contract.map(({ id }) => id)).toEqual([...IDS, ...EXPIRY_IDS])
  for (const { name } of contract) expect(name).toMatch(/^(?:MUST|SHOULD)(?: NOT)? \S/)
  expect(await failures(() => new ExpiringStore(), expiring)).toEqual([])
})

test('a factory that says what bounds its sessions has that tested, after all the rest', async () => {
  const contract = sessionStoreContract({ create: () => new BoundedStore(), ...expiring, ...bounds })
  expect(contract.map(({ id }) => id)).toEqual([...IDS, ...EXPIRY_IDS, ...BOUND_IDS])
  for (const { name } of contract) expect(name).toMatch(/^(?:MUST|SHOULD)(?: NOT)? \S/)
  expect(await failures(() => new BoundedStore(), { ...expiring, ...bounds })).toEqual([])
  const unused = { wait: expiring.wait, ...bounds }
  expect(
    await failures(
      () =>
        new (class extends BoundedStore {
          override isOver = () => false
        })(),
      unused,
    ),
  ).toEqual([])
})

test('a factory without a clock of its own is waited for', async () => {
  const stores: { id: string; at: number }[] = []
  const create = (): GoodStore =>
    new (class extends GoodStore {
      override get(id: string): undefined {
        stores.push({ id, at: performance.now() })
      }
    })()
  const begun = performance.now()
  await sessionStoreContract({ create, ttlMs: 50 })
    .find(({ id }) => id === 'expiry')!
    .fn()
    .catch(() => {})
  // A timer may ring a millisecond early.
  expect(stores[0]!.at - begun).toBeGreaterThan(1.2 * 50 - 3)
})

test.each([
  ['that answers at once', () => new GoodStore()],
  ['that answers later', () => new LaterStore()],
  ['with the required methods alone', bareStore],
  ['that takes time to make', () => Promise.resolve(new GoodStore())],
])('a good store %s passes', async (_, create) => {
  expect(await failures(create)).toEqual([])
})

test('each test has a store of its own, and closes it, also when it fails', async () => {
  const stores: GoodStore[] = []
  const create = (): GoodStore => {
    const store = new (class extends GoodStore {
      override get = (): undefined => undefined
    })()
    stores.push(store)
    return store
  }
  expect(await failures(create)).not.toEqual([])
  expect(stores).toHaveLength(IDS.length)
  expect(stores.every(({ closed }) => closed > 0)).toBe(true)
})

let counter = 0

const broken: [what: string, caughtBy: string, store: new () => SessionStore][] = [
  [
    'forgets what it was given',
    'create-get',
    class extends GoodStore {
      override get = () => undefined
    },
  ],
  [
    'makes ids that no header can hold',
    'id-ascii',
    class extends GoodStore {
      override create(record: SessionRecord): string {
        const id = `${randomUUID()} é`
        this.records.set(id, record)
        return id
      }
    },
  ],
  [
    'counts its ids',
    'id-unguessable',
    class extends GoodStore {
      override create(record: SessionRecord): string {
        const id = `session-${(counter += 1)}`
        this.records.set(id, record)
        return id
      }
    },
  ],
  [
    'makes the id from the record',
    'id-unique',
    class extends GoodStore {
      override create(record: SessionRecord): string {
        const id = Buffer.from(JSON.stringify(record)).toString('base64url')
        this.records.set(id, record)
        return id
      }
    },
  ],
  [
    'keeps sessions in a plain object, whose prototype answers too',
    'get-unknown',
    class extends GoodStore {
      readonly #object: Record<string, SessionRecord> = {}
      override create(record: SessionRecord): string {
        const id = randomUUID()
        this.#object[id] = record
        return id
      }
      override get = (id: string) => this.#object[id]
      override delete = (id: string) => void delete this.#object[id]
      override update = undefined as never
    },
  ],
  [
    'answers null for what it does not know',
    'get-unknown',
    class extends GoodStore {
      override get = (id: string) => this.records.get(id) ?? (null as unknown as undefined)
    },
  ],
  [
    'looks at the beginning of an id alone',
    'get-unknown',
    class extends GoodStore {
      override get = (id: string) => this.records.get(id.slice(0, 36))
    },
  ],
  [
    'throws for what it does not know',
    'get-unknown',
    class extends GoodStore {
      override get(id: string): SessionRecord {
        const record = this.records.get(id)
        if (!record) throw new Error('no such session')
        return record
      }
    },
  ],
  [
    'gives a record once',
    'get-again',
    class extends GoodStore {
      override get(id: string): SessionRecord | undefined {
        const record = this.records.get(id)
        this.records.delete(id)
        return record
      }
    },
  ],
  [
    'holds one session',
    'get-independent',
    class extends GoodStore {
      #last: SessionRecord | undefined
      override create(record: SessionRecord): string {
        this.#last = record
        return randomUUID()
      }
      override get = () => this.#last
    },
  ],
  [
    'writes undefined fields as null',
    'record-optional',
    class extends GoodStore {
      override get(id: string): SessionRecord | undefined {
        const record = this.records.get(id)
        const upstreamId = record?.upstream.id ?? (null as unknown as string)
        return record && { ...record, upstream: { ...record.upstream, id: upstreamId } }
      }
    },
  ],
  [
    'keeps text as Latin-1',
    'record-text',
    class extends GoodStore {
      override get(id: string): SessionRecord | undefined {
        const record = this.records.get(id)
        return record && (JSON.parse(Buffer.from(JSON.stringify(record), 'latin1').toString('latin1')) as SessionRecord)
      }
    },
  ],
  [
    'keeps 255 characters of a field, as a column may',
    'record-large',
    class extends GoodStore {
      override create(record: SessionRecord): string | Promise<string> {
        return super.create({ ...record, principal: record.principal.slice(0, 255) })
      }
    },
  ],
  [
    'keeps the fields that it knows',
    'record-whole',
    class extends GoodStore {
      override create(record: SessionRecord): string | Promise<string> {
        const { upstream, protocolVersion, id } = record.upstream
        return super.create({ ...record, upstream: { upstream, protocolVersion, ...(id !== undefined && { id }) } })
      }
    },
  ],
  [
    'keeps 64 KiB of a field, as a column may',
    'record-json',
    class extends GoodStore {
      override create(record: SessionRecord): string | Promise<string> {
        const { client: _, ...short } = record.upstream
        return super.create(JSON.stringify(record).length < 65_536 ? record : { ...record, upstream: short })
      }
    },
  ],
  [
    'updates the id of the upstream session alone',
    'record-json',
    class extends GoodStore {
      override update(id: string, { upstream }: SessionRecord): void {
        const before = this.records.get(id)
        if (before) this.records.set(id, { ...before, upstream: { ...before.upstream, id: upstream.id! } })
      }
    },
  ],
  [
    'takes ids for patterns',
    'get-foreign',
    class extends GoodStore {
      override get = (id: string) => (id === '*' ? [...this.records.values()][0] : this.records.get(id))
    },
  ],
  [
    'compares ids without regard to case',
    'get-foreign',
    class extends GoodStore {
      override get = (id: string) => [...this.records].find(([own]) => own === id.toLowerCase())?.[1]
    },
  ],
  [
    'deletes nothing',
    'delete',
    class extends GoodStore {
      override delete(): void {}
    },
  ],
  [
    'deletes everything',
    'delete',
    class extends GoodStore {
      override delete(): void {
        this.records.clear()
      }
    },
  ],
  [
    'throws when asked to delete what it does not know',
    'delete-unknown',
    class extends GoodStore {
      override delete(id: string): void {
        if (!this.records.delete(id)) throw new Error('no such session')
      }
    },
  ],
  [
    'does not update',
    'update',
    class extends GoodStore {
      override update(): void {}
    },
  ],
  [
    'brings a session back with an update',
    'update-deleted',
    class extends GoodStore {
      override update(id: string, record: SessionRecord): void {
        this.records.set(id, record)
      }
    },
  ],
  [
    'mixes up sessions that are created at the same time',
    'concurrent',
    class extends GoodStore {
      #next = ''
      override async create(record: SessionRecord): Promise<string> {
        this.#next = randomUUID()
        await new Promise(setImmediate)
        this.records.set(this.#next, record)
        return this.#next
      }
    },
  ],
  [
    'closes once',
    'close-twice',
    class extends GoodStore {
      override close(): void {
        super.close()
        if (this.closed === 2) throw new Error('closed already')
      }
    },
  ],
]

test.each(broken)('a store that %s fails %s', async (_, caughtBy, Store) => {
  expect(await failures(() => new Store())).toContain(caughtBy)
})

const unpunctual: typeof broken = [
  [
    'never expires a session',
    'expiry',
    class extends ExpiringStore {
      override isOver = () => false
    },
  ],
  [
    'expires sessions with the oldest',
    'expiry',
    class extends ExpiringStore {
      override isOver(idleMs: number): boolean {
        if (super.isOver(idleMs)) this.records.clear()
        return false
      }
    },
  ],
  [
    'counts from the beginning of a session',
    'expiry-use',
    class extends ExpiringStore {
      protected override readonly slides = false
    },
  ],
]

test.each(unpunctual)('a store that %s fails %s', async (_, caughtBy, Store) => {
  expect(await failures(() => new Store(), expiring)).toEqual([caughtBy])
})

const boundless: typeof broken = [
  [
    'has no end of a session that is used',
    'lifetime',
    class extends BoundedStore {
      protected override readonly lifetimeMs = Infinity
    },
  ],
  [
    'keeps whatever a principal opens',
    'cap',
    class extends BoundedStore {
      override isOwned = () => false
    },
  ],
  [
    'caps all principals together',
    'cap',
    class extends BoundedStore {
      override owns = () => true
    },
  ],
  [
    'ends the session that was used last',
    'cap-oldest',
    class extends BoundedStore {
      override pick = (owned: string[]) => owned.at(-1)!
    },
  ],
  [
    'counts what is gone',
    'cap-deleted',
    class extends BoundedStore {
      #opened = 0
      override create(record: SessionRecord): string {
        if (record.principal !== '' && (this.#opened += 1) > MOST)
          this.records.delete(this.used[this.#opened - MOST - 1]!)
        return super.create(record)
      }
    },
  ],
  [
    'takes nobody for somebody',
    'cap-nobody',
    class extends BoundedStore {
      override isOwned = () => true
    },
  ],
]

test.each(boundless)('a store that %s fails %s', async (_, caughtBy, Store) => {
  expect(await failures(() => new Store(), { ...expiring, ...bounds })).toContain(caughtBy)
})

test('every test of the contract has a broken store that it catches', () => {
  const caught = [...broken, ...unpunctual, ...boundless].map(([, caughtBy]) => caughtBy)
  expect(new Set(caught)).toEqual(new Set([...IDS, ...EXPIRY_IDS, ...BOUND_IDS]))
})

test('what a test fails with is an AssertionError, which every runner shows well', async () => {
  const [first] = sessionStoreContract({ create: () => Object.assign(new GoodStore(), { get: () => undefined }) })
  await expect(first!.fn()).rejects.toBeInstanceOf(AssertionError)
})
