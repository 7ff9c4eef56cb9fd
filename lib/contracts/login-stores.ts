/** The contract of a LoginStore, as tests that any runner can run. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Awaitable, LoginStore } from '../types.ts'
import { type ContractTest, contractOf, type RequirementOf, sleep } from './contract.ts'

/** The store to be tested. */
export interface LoginStoreFactory {
  /** Creates a store, which may hold values of other tests. Each test creates one store and closes it. */
  create(): Awaitable<LoginStore>
  /** Creates a store of another node, on the same storage. What nodes share is tested where this is given. */
  readonly createAnother?: (() => Awaitable<LoginStore>) | undefined
  /** Advances the clock of the stores by so many milliseconds, such as a fake one. Defaults to waiting in real time. */
  readonly wait?: ((ms: number) => Awaitable<void>) | undefined
}

/**
 * The tests of the `LoginStore` contract. A store keeps the contract when the `fn` of every test resolves.
 *
 * @example
 * ```js
 * import { test } from 'node:test'
 * import { loginStoreContract } from 'express-mcp-gateway/testing'
 *
 * for (const { name, fn } of loginStoreContract({ create: () => new MyStore() })) test(name, fn)
 * ```
 */
export function loginStoreContract(factory: LoginStoreFactory): ContractTest[] {
  const { wait = sleep, createAnother } = factory
  const shared = createAnother ? nodeRequirements(createAnother) : []
  return contractOf([...REQUIREMENTS, ...timeRequirements(wait), ...shared], () => factory.create())
}

type Requirement = RequirementOf<LoginStore>

const MINUTE = 60_000
const ttlMs = MINUTE

const key = (): string => `grant:${randomUUID()}`

const REQUIREMENTS: readonly Requirement[] = [
  [
    'set-get',
    'MUST give back from get() the value that set() was given',
    async (store) => {
      const [one, other] = [key(), key()]
      strictEqual(await store.set(one, 'value', { ttlMs }), true)
      strictEqual(await store.get(one), 'value')
      strictEqual(await store.get(other), undefined)
    },
  ],
  [
    'set-over',
    'MUST replace a value',
    async (store) => {
      const name = key()
      await store.set(name, 'one', { ttlMs })
      strictEqual(await store.set(name, 'two', { ttlMs }), true)
      strictEqual(await store.get(name), 'two')
    },
  ],
  [
    'value-text',
    'MUST keep any text: empty, quotes, line ends, other scripts, 64 KiB',
    async (store) => {
      for (const value of ['', '"\r\n\u0000\\', '\u6f22\u{1f511}', 'x'.repeat(64 * 1024)]) {
        const name = key()
        await store.set(name, value, { ttlMs })
        strictEqual(await store.get(name), value)
      }
    },
  ],
  [
    'set-absent',
    'MUST write with ifAbsent only where there is no value',
    async (store) => {
      const name = key()
      strictEqual(await store.set(name, 'one', { ttlMs, ifAbsent: true }), true)
      strictEqual(await store.set(name, 'two', { ttlMs, ifAbsent: true }), false)
      strictEqual(await store.get(name), 'one')
    },
  ],
  [
    'set-absent-once',
    'MUST let one of many succeed that write with ifAbsent at the same time',
    async (store) => {
      const name = key()
      const writes = Array.from({ length: 20 }, async (_, index) =>
        store.set(name, String(index), { ttlMs, ifAbsent: true }),
      )
      strictEqual((await Promise.all(writes)).filter((isWritten) => isWritten).length, 1)
    },
  ],
  [
    'set-if',
    'MUST write with if only over that value, and not where there is none',
    async (store) => {
      const name = key()
      strictEqual(await store.set(name, 'two', { ttlMs, if: 'one' }), false)
      strictEqual(await store.get(name), undefined)
      await store.set(name, 'one', { ttlMs })
      strictEqual(await store.set(name, 'two', { ttlMs, if: 'on' }), false)
      strictEqual(await store.set(name, 'two', { ttlMs, if: 'one' }), true)
      strictEqual(await store.get(name), 'two')
    },
  ],
  [
    'set-if-once',
    'MUST let one of many succeed that write over the same value at the same time',
    async (store) => {
      const name = key()
      await store.set(name, 'one', { ttlMs })
      const writes = Array.from({ length: 20 }, async (_, index) =>
        store.set(name, `next ${index}`, { ttlMs, if: 'one' }),
      )
      strictEqual((await Promise.all(writes)).filter((isWritten) => isWritten).length, 1)
    },
  ],
  [
    'take',
    'MUST give a value that is taken, and have it no more',
    async (store) => {
      const name = key()
      await store.set(name, 'value', { ttlMs })
      strictEqual(await store.take(name), 'value')
      strictEqual(await store.take(name), undefined)
      strictEqual(await store.get(name), undefined)
    },
  ],
  [
    'take-once',
    'MUST give a value to one of many that take it at the same time',
    async (store) => {
      const name = key()
      await store.set(name, 'value', { ttlMs })
      const taken = await Promise.all(Array.from({ length: 20 }, async () => store.take(name)))
      deepStrictEqual(
        taken.filter((value) => value !== undefined),
        ['value'],
      )
    },
  ],
  [
    'delete',
    'MUST answer undefined after delete(), and take delete() of an unknown key without an error',
    async (store) => {
      const name = key()
      await store.delete(name)
      await store.set(name, 'value', { ttlMs })
      await store.delete(name)
      strictEqual(await store.get(name), undefined)
    },
  ],
  [
    'add-members',
    'MUST give the members of a set, each once, the oldest first; a member that is added again is the newest',
    async (store) => {
      const name = key()
      deepStrictEqual(await store.members(name), [])
      for (const member of ['a', 'b', 'c', 'a'])
        deepStrictEqual([...(await store.add(name, member, { ttlMs, max: 9 }))], [])
      deepStrictEqual([...(await store.members(name))], ['b', 'c', 'a'])
    },
  ],
  [
    'add-max',
    'MUST remove the oldest members over max, and return them',
    async (store) => {
      const name = key()
      for (const member of ['a', 'b', 'c']) await store.add(name, member, { ttlMs, max: 3 })
      deepStrictEqual([...(await store.add(name, 'd', { ttlMs, max: 2 }))], ['a', 'b'])
      deepStrictEqual([...(await store.members(name))], ['c', 'd'])
    },
  ],
  [
    'remove',
    'MUST remove a member, and take remove() of an unknown one without an error',
    async (store) => {
      const name = key()
      await store.remove(name, 'a')
      for (const member of ['a', 'b']) await store.add(name, member, { ttlMs, max: 9 })
      await store.remove(name, 'a')
      await store.remove(name, 'z')
      deepStrictEqual([...(await store.members(name))], ['b'])
    },
  ],
  [
    'publish',
    'MUST give what is published to the listeners of this node too, until they unsubscribe, where there is publish()',
    async (store) => {
      if (!store.publish || !store.subscribe) return ok(!store.publish && !store.subscribe)
      const heard = listening()
      const unsubscribe = await store.subscribe(heard.listen)
      await store.publish('one')
      deepStrictEqual(await heard.until(1), ['one'])
      await unsubscribe()
      await store.publish('two')
      await sleep(20)
      deepStrictEqual(await heard.until(1), ['one'])
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

function timeRequirements(wait: NonNullable<LoginStoreFactory['wait']>): readonly Requirement[] {
  const shortMs = 200
  return [
    [
      'expiry',
      'MUST answer undefined when ttlMs has passed, and count a value as absent',
      async (store) => {
        const [short, long, set] = [key(), key(), key()]
        await store.set(short, 'value', { ttlMs: shortMs })
        await store.set(long, 'value', { ttlMs })
        await store.add(set, 'member', { ttlMs: shortMs, max: 9 })
        await wait(2 * shortMs)
        strictEqual(await store.get(short), undefined)
        strictEqual(await store.take(short), undefined)
        strictEqual(await store.set(short, 'next', { ttlMs, if: 'value' }), false)
        strictEqual(await store.set(short, 'next', { ttlMs, ifAbsent: true }), true)
        strictEqual(await store.get(long), 'value')
        deepStrictEqual([...(await store.members(set))], [])
      },
    ],
    [
      'expiry-renewed',
      'MUST count ttlMs from the last set() or add()',
      async (store) => {
        const [name, set] = [key(), key()]
        await store.set(name, 'one', { ttlMs: shortMs })
        await store.set(name, 'two', { ttlMs, if: 'one' })
        await store.add(set, 'a', { ttlMs: shortMs, max: 9 })
        await store.add(set, 'b', { ttlMs, max: 9 })
        await wait(2 * shortMs)
        strictEqual(await store.get(name), 'two')
        deepStrictEqual([...(await store.members(set))], ['a', 'b'])
      },
    ],
  ]
}

function nodeRequirements(createAnother: () => Awaitable<LoginStore>): readonly Requirement[] {
  return [
    [
      'shared',
      'MUST give another node the same values and sets, and what is published',
      async (store) => {
        const other = await createAnother()
        try {
          const [name, set] = [key(), key()]
          await store.set(name, 'value', { ttlMs })
          await store.add(set, 'member', { ttlMs, max: 9 })
          strictEqual(await other.get(name), 'value')
          deepStrictEqual([...(await other.members(set))], ['member'])
          strictEqual(await other.set(name, 'next', { ttlMs, if: 'value' }), true)
          strictEqual(await store.set(name, 'next', { ttlMs, if: 'value' }), false)
          if (!store.publish || !other.subscribe) return
          const heard = listening()
          const unsubscribe = await other.subscribe(heard.listen)
          await store.publish('message')
          deepStrictEqual(await heard.until(1), ['message'])
          await unsubscribe()
        } finally {
          await other.close?.()
        }
      },
    ],
  ]
}

/** A listener, and what it has heard. */
function listening(): { listen: (message: string) => void; until: (count: number) => Promise<readonly string[]> } {
  const heard: string[] = []
  return {
    listen: (message) => void heard.push(message),
    async until(count) {
      for (let waited = 0; heard.length < count && waited < 5_000; waited += 5) await sleep(5)
      return heard
    },
  }
}
