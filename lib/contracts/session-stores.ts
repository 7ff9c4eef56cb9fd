/** The contract of a SessionStore, as tests that any runner can run. */
import { deepStrictEqual, notStrictEqual, ok, strictEqual } from 'node:assert/strict'
import type { Awaitable, ClientState, SessionRecord, SessionStore } from '../types.ts'
import { type ContractTest, checkFactory, contractOf, type RequirementOf, sleep } from './contract.ts'

/** The store to be tested. */
export interface SessionStoreFactory {
  /** Creates a store, which may hold sessions of other tests. Each test creates one store and closes it. */
  create(): Awaitable<SessionStore>
  /** The idle time after which a session expires, in milliseconds. Idle expiry is tested where this is given. */
  readonly ttlMs?: number | undefined
  /** The age at which a session expires, in milliseconds. The lifetime is tested where this is given. */
  readonly lifetimeMs?: number | undefined
  /** The most sessions of one principal, at least 2. The cap is tested where this is given. */
  readonly maxSessionsPerPrincipal?: number | undefined
  /** Advances the clock of the stores by so many milliseconds, such as a fake one. Defaults to waiting in real time. */
  readonly wait?: ((ms: number) => Awaitable<void>) | undefined
}

/**
 * The tests of the `SessionStore` contract. A store keeps the contract when the `fn` of every test resolves.
 *
 * @example
 * ```js
 * import { test } from 'node:test'
 * import { sessionStoreContract } from 'express-mcp-gateway/testing'
 *
 * for (const { name, fn } of sessionStoreContract({ create: () => new MyStore() })) test(name, fn)
 * ```
 */
export function sessionStoreContract(factory: SessionStoreFactory): ContractTest[] {
  checkFactory('sessionStoreContract', factory)
  const { wait = sleep } = factory
  const limits = [expiryRequirements, lifetimeRequirements, capRequirements].flatMap((of) => of(factory, wait))
  return contractOf([...REQUIREMENTS, ...limits], () => factory.create())
}

const RECORD: SessionRecord = {
  server: 'weather',
  principal: 'https://login.example.com user-1',
  protocolVersion: '2025-11-25',
  upstream: { upstream: 'b6CEZkMtVUjX', protocolVersion: '2025-11-25', id: 'upstream-session-1' },
}

/** A client state with every kind of JSON value, and larger than any real one. */
const CLIENT: ClientState = {
  handshake: {
    protocolVersion: '2025-11-25',
    capabilities: { roots: { listChanged: true }, sampling: {}, experimental: { list: [0, -1.5, 1e21, null, ''] } },
    clientInfo: { name: '\u6f22 "agent"', version: '1', icon: `data:,${'x'.repeat(256 * 1024)}` },
  },
  subscriptions: { 'file:///a b': { uri: 'file:///a b' }, constructor: { uri: 'constructor' } },
}

type Limits = Omit<SessionStoreFactory, 'create' | 'wait'>
type Wait = NonNullable<SessionStoreFactory['wait']>
type Requirement = RequirementOf<SessionStore>

const REQUIREMENTS: readonly Requirement[] = [
  [
    'create-get',
    'MUST give back from get() the record that create() was given',
    async (store) => deepStrictEqual(await store.get(await store.create(RECORD)), RECORD),
  ],
  [
    'id-ascii',
    'MUST create ids of visible ASCII characters',
    async (store) => ok(/^[\x21-\x7e]+$/.test(await store.create(RECORD))),
  ],
  [
    'id-unguessable',
    'MUST create ids that are long enough for 128 random bits',
    async (store) => ok((await store.create(RECORD)).length >= 22),
  ],
  [
    'id-unique',
    'MUST create another id for an equal record',
    async (store) => notStrictEqual(await store.create(RECORD), await store.create(RECORD)),
  ],
  [
    'get-unknown',
    'MUST answer undefined for an id it has not created',
    async (store) => {
      const id = await store.create(RECORD)
      const last = id.at(-1) === 'A' ? 'B' : 'A'
      for (const other of ['unknown', '__proto__', 'constructor', id.slice(1), `${id}A`, last + id.slice(1)]) {
        if (other !== id) strictEqual(await store.get(other), undefined, `get(${JSON.stringify(other)})`)
      }
    },
  ],
  [
    'get-again',
    'MUST give the record as often as it is asked',
    async (store) => {
      const id = await store.create(RECORD)
      for (let time = 0; time < 3; time += 1) deepStrictEqual(await store.get(id), RECORD)
    },
  ],
  [
    'get-independent',
    'MUST keep records apart',
    async (store) => {
      const other = { ...RECORD, principal: 'somebody else', server: 'mail' }
      const [first, second] = [await store.create(RECORD), await store.create(other)]
      deepStrictEqual(await store.get(first), RECORD)
      deepStrictEqual(await store.get(second), other)
    },
  ],
  [
    'record-optional',
    'MUST keep a record without optional fields as it is',
    async (store) => {
      const { id: _, ...bare } = RECORD.upstream
      const record = { ...RECORD, upstream: bare }
      deepStrictEqual(await store.get(await store.create(record)), record)
    },
  ],
  [
    'record-text',
    'MUST keep any text in a record: quotes, line ends, other scripts',
    async (store) => {
      const record = { ...RECORD, principal: '"quoted"\r\n\u0000\\ \u00e9\u6f22\u{1f511}' }
      deepStrictEqual(await store.get(await store.create(record)), record)
    },
  ],
  [
    'record-large',
    'MUST keep a principal and an upstream session of 1 000 characters each',
    async (store) => {
      const upstream = { ...RECORD.upstream, id: 'u'.repeat(1_000) }
      const record = { ...RECORD, principal: 'p'.repeat(1_000), upstream }
      deepStrictEqual(await store.get(await store.create(record)), record)
    },
  ],
  [
    'record-whole',
    'MUST keep a record whole, whatever is in the tree of its field upstream',
    async (store) => {
      const members = {
        crm: { ...RECORD.upstream, client: { handshake: { capabilities: {} }, logLevel: { level: 'debug' } } },
        'mail "1"': { ...RECORD.upstream, members: { inner: { upstream: '', protocolVersion: '' } } },
      }
      const record = { ...RECORD, upstream: { ...RECORD.upstream, members, later: [null, { yes: true }] } }
      deepStrictEqual(await store.get(await store.create(record)), record)
    },
  ],
  [
    'record-json',
    'MUST keep any JSON in the field upstream, 256 KiB of it too, where there is update()',
    async (store) => {
      if (!store.update) return
      const record = { ...RECORD, upstream: { ...RECORD.upstream, client: CLIENT } }
      const id = await store.create(record)
      deepStrictEqual(await store.get(id), record)
      const client = { ...CLIENT, logLevel: { level: 'debug' } }
      const next = { ...record, upstream: { ...record.upstream, client } }
      await store.update(id, next)
      deepStrictEqual(await store.get(id), next)
    },
  ],
  [
    'get-foreign',
    'MUST answer undefined for ids that others made up: patterns, paths, another spelling, very long ones',
    async (store) => {
      const id = await store.create(RECORD)
      const made = ['*', '?', '%', '..', '../..', '/', '{}', '0', 'null', 'undefined', "'--", '$ne', 'A'.repeat(4_096)]
      for (const other of [...made, id + id, id.slice(0, -1), id.toUpperCase(), id.toLowerCase()]) {
        if (other !== id) strictEqual(await store.get(other), undefined, `get(${JSON.stringify(other)})`)
      }
      deepStrictEqual(await store.get(id), RECORD)
    },
  ],
  [
    'delete',
    'MUST answer undefined after delete()',
    async (store) => {
      const [id, other] = [await store.create(RECORD), await store.create(RECORD)]
      await store.delete(id)
      strictEqual(await store.get(id), undefined)
      deepStrictEqual(await store.get(other), RECORD)
    },
  ],
  [
    'delete-unknown',
    'MUST take delete() of an unknown or deleted id without an error',
    async (store) => {
      await store.delete('unknown')
      const id = await store.create(RECORD)
      await store.delete(id)
      await store.delete(id)
    },
  ],
  [
    'update',
    'MUST give the new record after update(), where there is update()',
    async (store) => {
      if (!store.update) return
      const id = await store.create(RECORD)
      const next = { ...RECORD, upstream: { ...RECORD.upstream, id: 'upstream-session-2' } }
      await store.update(id, next)
      deepStrictEqual(await store.get(id), next)
    },
  ],
  [
    'update-deleted',
    'MUST NOT bring a session back with update(), where there is update()',
    async (store) => {
      if (!store.update) return
      const id = await store.create(RECORD)
      await store.delete(id)
      await store.update(id, RECORD)
      strictEqual(await store.get(id), undefined)
    },
  ],
  [
    'concurrent',
    'MUST keep sessions apart that are created at the same time',
    async (store) => {
      const records = Array.from({ length: 50 }, (_, index) => ({ ...RECORD, principal: `user-${index}` }))
      const ids = await Promise.all(records.map(async (record) => store.create(record)))
      strictEqual(new Set(ids).size, records.length)
      deepStrictEqual(await Promise.all(ids.map(async (id) => store.get(id))), records)
    },
  ],
  [
    'close-twice',
    'SHOULD take close() twice',
    async (store) => {
      await store.close?.()
      await store.close?.()
    },
  ],
]

/** The waits keep a fifth of `ttlMs` away from the moment of expiry, so that a real clock is precise enough. */
function expiryRequirements({ ttlMs }: Limits, wait: Wait): readonly Requirement[] {
  if (ttlMs === undefined) return []
  return [
    [
      'expiry',
      'MUST answer undefined when ttlMs has passed, and not bring the session back with update()',
      async (store) => {
        const id = await store.create(RECORD)
        await wait(0.8 * ttlMs)
        const other = await store.create(RECORD)
        await wait(0.4 * ttlMs)
        strictEqual(await store.get(id), undefined)
        await store.update?.(id, RECORD)
        strictEqual(await store.get(id), undefined)
        deepStrictEqual(await store.get(other), RECORD)
      },
    ],
    [
      'expiry-use',
      'SHOULD count get() as use: ttlMs starts anew',
      async (store) => {
        const id = await store.create(RECORD)
        for (let time = 0; time < 3; time += 1) {
          await wait(0.8 * ttlMs)
          deepStrictEqual(await store.get(id), RECORD)
        }
      },
    ],
  ]
}

function lifetimeRequirements({ lifetimeMs, ttlMs = Infinity }: Limits, wait: Wait): readonly Requirement[] {
  if (lifetimeMs === undefined) return []
  return [
    [
      'lifetime',
      'MUST answer undefined when lifetimeMs has passed, however often get() and update() were called',
      async (store) => {
        const stepMs = Math.min(0.2 * lifetimeMs, 0.5 * ttlMs)
        const use = async (forMs: number, ...ids: string[]): Promise<void> => {
          for (let leftMs = forMs; leftMs > 0; leftMs -= stepMs) {
            await wait(Math.min(stepMs, leftMs))
            for (const id of ids) {
              await store.get(id)
              await store.update?.(id, RECORD)
            }
          }
        }
        const id = await store.create(RECORD)
        await use(0.8 * lifetimeMs, id)
        deepStrictEqual(await store.get(id), RECORD)
        const other = await store.create(RECORD)
        await use(0.4 * lifetimeMs, id, other)
        strictEqual(await store.get(id), undefined)
        deepStrictEqual(await store.get(other), RECORD)
      },
    ],
  ]
}

function capRequirements({ maxSessionsPerPrincipal: most, ttlMs = 1_000 }: Limits, wait: Wait): readonly Requirement[] {
  if (most === undefined) return []
  return [
    [
      'cap',
      'MUST end a session of the same principal, and of no other, past maxSessionsPerPrincipal, and never the newest',
      async (store) => {
        const others = await createSessions(store, most, 'somebody else')
        const ids = await createSessions(store, most + 2)
        const left = await living(store, ids)
        strictEqual(left.length, most)
        strictEqual(left.at(-1), ids.at(-1))
        deepStrictEqual(await living(store, others), others)
      },
    ],
    [
      'cap-oldest',
      'SHOULD end the session that was not used for longest, past maxSessionsPerPrincipal',
      async (store) => {
        const ids = await createSessions(store, most)
        await wait(ttlMs / 10)
        await store.get(ids[0]!)
        const [newest] = await createSessions(store, 1)
        deepStrictEqual(await living(store, [ids[0]!, newest!]), [ids[0], newest])
      },
    ],
    ...countRequirements(most),
  ]
}

/** The sessions that do not count towards the cap. */
function countRequirements(most: number): readonly Requirement[] {
  return [
    [
      'cap-deleted',
      'MUST NOT count sessions that were deleted',
      async (store) => {
        const ids = await createSessions(store, most)
        for (const id of ids.slice(1)) await store.delete(id)
        const all = [ids[0]!, ...(await createSessions(store, most - 1))]
        deepStrictEqual(await living(store, all), all)
      },
    ],
    [
      'cap-nobody',
      'SHOULD NOT hold the empty principal to maxSessionsPerPrincipal: without authentication it is everybody',
      async (store) => {
        const ids = await createSessions(store, most + 1, '')
        deepStrictEqual(await living(store, ids), ids)
      },
    ],
  ]
}

async function createSessions(store: SessionStore, count: number, principal = RECORD.principal): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) ids.push(await store.create({ ...RECORD, principal }))
  return ids
}

/** Those of the ids whose sessions are still live. */
async function living(store: SessionStore, ids: readonly string[]): Promise<string[]> {
  const records = await Promise.all(ids.map(async (id) => store.get(id)))
  return ids.filter((_, index) => records[index] !== undefined)
}
