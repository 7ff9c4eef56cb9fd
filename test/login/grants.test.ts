// The grants of agentLogin() in a store where others are faster: a chain that never goes back, an end that stays one.
import { Grants, newGrantId } from '../../lib/login/grants.ts'
import type { LoginStore } from '../../lib/login/index.ts'
import { MemoryLoginStore } from '../support/login.ts'

const TIMES = { refreshS: 1_000, grantS: 10_000, reuseS: 60 }
const CLIENT = { id: 'agent', name: 'Agent', verifiedHost: undefined, redirectHost: 'agent.example' }
const GRANT = {
  user: 'ada',
  client: CLIENT,
  server: 'notes',
  title: 'Notes',
  resource: 'https://app.example.com/notes/mcp',
  scopes: ['mcp'],
}

/** Grants in a store in which something happens before the next write. */
function grantsOf(): { grants: Grants; before: (work: () => Promise<unknown>) => void; ended: string[] } {
  const inner = new MemoryLoginStore()
  const ended: string[] = []
  let meanwhile: (() => Promise<unknown>) | undefined
  const store: LoginStore = {
    get: (key) => inner.get(key),
    take: (key) => inner.take(key),
    delete: (key) => inner.delete(key),
    add: (...given) => inner.add(...given),
    remove: (...given) => inner.remove(...given),
    members: (key) => inner.members(key),
    async set(...given) {
      const work = meanwhile
      meanwhile = undefined
      await work?.()
      return inner.set(...given)
    },
  }
  const grants = new Grants(store, TIMES, async (id) => void ended.push(id))
  return { grants, ended, before: (work) => void (meanwhile = work) }
}

test('a rotation that is late does not set the chain back', async () => {
  const { grants, before } = grantsOf()
  const id = newGrantId()
  await grants.create(id, GRANT)
  before(async () => {
    await grants.rotate(id, 0)
    await grants.rotate(id, 1)
  })
  expect(await grants.rotate(id, 0)).toMatchObject({ count: 2 })
  expect(await grants.find(id)).toMatchObject({ count: 2 })
})

test('a rotation that is late does not bring back a grant that has ended', async () => {
  const { grants, before, ended } = grantsOf()
  const id = newGrantId()
  await grants.create(id, GRANT)
  before(() => grants.end(id))
  expect(await grants.rotate(id, 0)).toBeUndefined()
  expect([await grants.find(id), ended]).toEqual([undefined, [id]])
})

test('what was used more often than is remembered counts as reused', async () => {
  const { grants } = grantsOf()
  const id = newGrantId()
  await grants.create(id, GRANT)
  for (let count = 0; count < 130; count += 1) await grants.rotate(id, count)
  const record = (await grants.find(id))!
  expect(record.replacedAt).toHaveLength(128)
  expect([0, 1, 2, 129, 130].map((count) => grants.stateOf(record, count))).toEqual([
    'reused',
    'reused',
    'replaced',
    'replaced',
    'newest',
  ])
  expect(grants.stateOf(record, 131)).toBe('reused')
})

test('an id that is taken makes no grant for another user or client', async () => {
  const { grants } = grantsOf()
  const id = newGrantId()
  expect(await grants.create(id, GRANT)).toBe(true)
  expect(await grants.create(id, GRANT)).toBe(true)
  expect(await grants.create(id, { ...GRANT, user: 'eve' })).toBe(false)
  expect(await grants.create(id, { ...GRANT, client: { ...CLIENT, id: 'other' } })).toBe(false)
  expect(await grants.list('eve')).toEqual([])
  await grants.endAll('eve')
  expect(await grants.list('ada')).toHaveLength(1)
})

test('one user may have 100 clients: the grants of the oldest end', async () => {
  const { grants, ended } = grantsOf()
  const first = newGrantId()
  await grants.create(first, GRANT)
  for (let index = 0; index < 100; index += 1) {
    await grants.create(newGrantId(), { ...GRANT, client: { ...CLIENT, id: `agent ${index}` } })
  }
  expect(ended).toEqual([first])
  expect(await grants.list('ada')).toHaveLength(100)
})
