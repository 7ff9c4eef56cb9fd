// Tokens are kept while they last, renewed once for everybody, and replaced when they are refused.
import { jest } from '@jest/globals'
import { Tokens } from '../../lib/auth/tokens.ts'
import type { Grant } from '../../lib/auth/token-endpoint.ts'

const MINUTE = 60_000

let now: number
let tokens: Tokens
/** Requests that wait for their answer, and how many there were. */
let pending: Array<{ grant(lifetimeMs?: number): void; fail(): void }>
let requested: number

beforeEach(() => {
  now = 1_000_000
  jest.spyOn(performance, 'now').mockImplementation(() => now)
  tokens = new Tokens()
  pending = []
  requested = 0
})
afterEach(() => jest.restoreAllMocks())

const request = (): Promise<Grant> => {
  requested += 1
  const accessToken = `t${requested}`
  return new Promise((resolve, reject) => {
    pending.push({
      grant: (lifetimeMs = 10 * MINUTE) => resolve({ accessToken, lifetimeMs }),
      fail: () => reject(new Error('no')),
    })
  })
}
const ask = (refused?: Record<string, string>, key = 'key') => tokens.headers(key, refused, request, `alias of ${key}`)
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

/** Gets a token and answers its headers. */
async function get(lifetimeMs?: number, key?: string): Promise<Record<string, string>> {
  const asking = ask(undefined, key)
  pending.pop()!.grant(lifetimeMs)
  return asking
}

test('what is kept is answered at once, without a promise, and is the same object each time', async () => {
  const first = await get()
  expect(first).toEqual(bearer('t1'))
  expect(ask()).toBe(first)
  now += 9 * MINUTE
  expect(ask()).toBe(first)
  expect(requested).toBe(1)
})

test('20 who ask at the same time share one request', async () => {
  const asking = Array.from({ length: 20 }, async () => ask())
  pending.pop()!.grant()
  expect(new Set(await Promise.all(asking)).size).toBe(1)
  expect(requested).toBe(1)
})

test('what fails, fails for all who wait, and is not remembered', async () => {
  const asking = Promise.allSettled([ask(), ask()])
  pending.pop()!.fail()
  expect((await asking).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await get()).toEqual(bearer('t2'))
})

test('shortly before its end a token is renewed once, while it still serves', async () => {
  const old = await get()
  now += 10 * MINUTE - 30_000
  expect([ask(), ask()]).toEqual([old, old])
  expect(requested).toBe(2)
  pending.pop()!.grant()
  await new Promise((resolve) => setImmediate(resolve))
  expect(ask()).toEqual(bearer('t2'))
})

test('a renewal that fails is nobody’s fault while the token serves, and everybody’s when it is over', async () => {
  const old = await get()
  now += 10 * MINUTE - 30_000
  expect(ask()).toBe(old)
  pending.pop()!.fail()
  await new Promise((resolve) => setImmediate(resolve))
  expect(ask()).toBe(old)
  now += 25_000
  const asking = ask()
  pending.pop()!.fail()
  await expect(asking).rejects.toThrow('no')
})

test('a token that lives for a moment is kept for most of it', async () => {
  const old = await get(1_000)
  now += 749
  expect(ask()).toBe(old)
  expect(requested).toBe(1)
  now += 126
  expect(ask()).toBeInstanceOf(Promise)
})

test('the time it took to get it counts as its life', async () => {
  const asking = ask()
  now += 9_000
  pending.pop()!.grant(10_000)
  await asking
  expect(ask()).toBeInstanceOf(Promise)
})

test('a token without a life is for this one use', async () => {
  await get(0)
  expect(ask()).toBeInstanceOf(Promise)
})

describe('a refusal', () => {
  test('brings one new token for all who were refused the old one', async () => {
    const old = await get()
    const asking = Array.from({ length: 20 }, async () => ask({ ...old, 'x-more': '1' }))
    pending.pop()!.grant()
    for (const headers of await Promise.all(asking)) expect(headers).toEqual(bearer('t2'))
    expect(ask(old)).toEqual(bearer('t2'))
    expect(requested).toBe(2)
  })

  test('keeps the refused token from those who come meanwhile', async () => {
    const old = await get()
    const [refused, newcomer] = [ask(old), ask()]
    pending.pop()!.grant()
    expect([await refused, await newcomer]).toEqual([bearer('t2'), bearer('t2')])
  })

  test('of the token that came in its place is not acted on at once: the same again says so', async () => {
    const old = await get()
    const asking = ask(old)
    pending.pop()!.grant()
    const fresh = await asking
    expect(ask(fresh)).toBe(fresh)
    now += 5_000
    expect(ask(fresh)).toBeInstanceOf(Promise)
    expect(requested).toBe(3)
  })
})

test('keys have nothing to do with each other', async () => {
  await get(undefined, 'a')
  expect(await get(undefined, 'b')).toEqual(bearer('t2'))
  expect([ask(undefined, 'a'), ask(undefined, 'b')]).toEqual([bearer('t1'), bearer('t2')])
})

test('the last token under an alias is there while it is good', async () => {
  expect(tokens.last('alias of key')).toBeUndefined()
  const headers = await get()
  expect(tokens.last('alias of key')).toBe(headers)
  now += 10 * MINUTE
  expect(tokens.last('alias of key')).toBeUndefined()
})

test('there are 10 000 at most, with their aliases, and the oldest goes first', async () => {
  for (let index = 0; index < 5_001; index += 1) await get(undefined, `key ${index}`)
  expect(tokens.last('alias of key 0')).toBeUndefined()
  expect(tokens.last('alias of key 1')).toBeDefined()
  expect(ask(undefined, 'key 0')).toBeInstanceOf(Promise)
  expect(ask(undefined, 'key 5000')).toEqual(bearer('t5001'))
})
